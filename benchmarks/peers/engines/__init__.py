"""How each library runs a job: a module a library, whose `start(job, variant)` gives an `Engine`.

A module is imported in its contender's own process alone, and imports no other's library.
"""
