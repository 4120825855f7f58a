"""Wire contracts: the .proto files, and the Python code that ``protos/generate.py`` makes from them.

All messages live in :data:`protos.pool.POOL`, so these modules go together with any other package that
registers the same names (tritonclient, kserve, tensorflow) in protobuf's default pool.
"""
