"""Hold manifests against kserve's own description of its resources: manifests on stdin, complaints on stdout.

The job: ``{"manifests": [manifest]}``. kserve's classes say, for each field of a resource, what it is called and
what it holds; those of Kubernetes' own client say it of containers and the like.
"""

import json
import re
import sys

import kserve
import kubernetes.client

SCALARS = {"str": (str,), "int": (int,), "bool": (bool,), "float": (int, float), "object": (object,)}
INTEGER_OR_TEXT = {"IntOrString", "ResourceQuantity"}
WHOLE = re.compile(r"^(list|dict)[\[(](?:str, )?(.*)[\])]$", re.IGNORECASE)


def kind_of(name):
    return getattr(kserve, name, None) or getattr(kubernetes.client, name)


def complaints(value, declared, path):
    """What is wrong with a value that should be of the declared type."""
    held = WHOLE.match(declared)
    if held:
        many = list if held[1].lower() == "list" else dict
        if not isinstance(value, many):
            yield f"{path} is no {many.__name__}"
            return
        for key, each in enumerate(value) if many is list else value.items():
            yield from complaints(each, held[2], f"{path}.{key}")
    elif declared in SCALARS or declared in INTEGER_OR_TEXT:
        allowed = SCALARS.get(declared, (int, str))
        if not isinstance(value, allowed) or (
            isinstance(value, bool) and bool not in allowed and object not in allowed
        ):
            yield f"{path} is no {declared}"
    else:
        yield from of_class(value, kind_of(declared), path)


def of_class(value, kind, path):
    """What is wrong with an object of a class."""
    if not isinstance(value, dict):
        yield f"{path} is no {kind.__name__}"
        return
    names = {written: name for name, written in kind.attribute_map.items()}
    for written, each in value.items():
        if written not in names:
            yield f"{path}.{written} does not exist"
        else:
            yield from complaints(each, kind.openapi_types[names[written]], f"{path}.{written}")


def of_manifest(manifest):
    """What is wrong with a resource of kserve."""
    version = manifest["apiVersion"].rpartition("/")[2]
    kind = kind_of(f"{version[0].upper()}{version[1:]}{manifest['kind']}")
    return list(of_class(manifest, kind, manifest["kind"]))


def main():
    job = json.load(sys.stdin)
    json.dump({"complaints": [of_manifest(each) for each in job["manifests"]]}, sys.stdout)


main()
