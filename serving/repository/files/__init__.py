"""The files of a model repository: layout, path confinement, fingerprints, and the files beside a model."""
