"""A short session of a rig, for what tries commands and counts calls."""

SESSION = """[rig]
name = "practice"
units = ["u1", "u2"]
[range]
photos = "photos"
images = 4
repeats = 2
[blocks]
trials = 20
[search]
strategy = "isotropic"
population = 8
mei_generations = 1
generations = 2
[final]
members = 2
repeats = 2
reference = 2
"""
