"""Writes the Debian package set as EDN maps, one entity a line, with final entity ids, for Datalevin to load.

    python3 records.py debian-packages.jsonl.gz > records.edn
"""
import gzip, json, sys

MANY = {"depends", "tags"}
entities = {}


def entity(name):
    return entities.setdefault(name, {"id": len(entities) + 1, "name": name})


def flatten(value):
    if isinstance(value, list):
        for item in value:
            yield from flatten(item)
    else:
        yield value


with gzip.open(sys.argv[1], "rt", encoding="utf-8") as lines:
    for line in lines:
        record = json.loads(line)
        package = entity(record["name"])
        for key, value in record.items():
            if key in ("depends", "pre-depends"):
                targets = package.setdefault("depends", {})
                targets.update((entity(name)["id"], None) for name in flatten(value))
            elif isinstance(value, list):
                package.setdefault(key, {}).update(
                    (item if isinstance(item, str) else json.dumps(item), None) for item in value)
            else:
                package[key] = value


def edn(value):
    if isinstance(value, dict):
        return "[" + " ".join(edn(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


for package in entities.values():
    facts = " ".join(f":package/{key} {edn(value)}" for key, value in package.items() if key != "id")
    print(f"{{:db/id {package['id']} {facts}}}")
