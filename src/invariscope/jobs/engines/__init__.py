"""Engines, the places where jobs are worked on: this machine, Ray, SLURM."""

from invariscope.jobs.engines.base import Engine
from invariscope.jobs.engines.local import LocalEngine
from invariscope.jobs.engines.ray import RayEngine
from invariscope.jobs.engines.slurm import TIMEOUTS, SlurmEngine

ENGINES = (LocalEngine.name, RayEngine.name, SlurmEngine.name)

__all__ = ["ENGINES", "TIMEOUTS", "Engine", "LocalEngine", "RayEngine", "SlurmEngine"]
