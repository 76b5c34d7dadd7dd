"""Search strategies, Pareto ranking, archive, stopping rules and the lockstep loop."""
