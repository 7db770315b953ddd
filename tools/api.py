#!/usr/bin/env python3
"""Writes docs/api.txt: the items of the library's interface, a line each.

    tools/api.py [--check]

rustdoc lists them (what it is asked for is unstable, so the compiler is told to allow it). What is `#[doc(hidden)]` is no part of the
interface. With --check, nothing is written, and the program fails where the page is not what it would write.
"""

import json, os, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(ROOT, "docs", "api.txt")
HEAD = "# The interface of the Rust library, made by tools/api.py. All else is hidden and changes without notice.\n"


def main():
    env = {**os.environ, "RUSTC_BOOTSTRAP": "1"}
    build = ["cargo", "rustdoc", "--quiet", "--lib", "--", "-Z", "unstable-options", "--document-hidden-items", "--output-format", "json"]
    subprocess.run(build, cwd=ROOT, env=env, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    with open(os.path.join(target, "doc", "paring.json")) as f:
        index = (doc := json.load(f))["index"]
    lines = set()

    def visit(number, path):
        item = index.get(str(number))
        if item is None or item["visibility"] not in ("public", "default"):
            return
        kind, inner = next(iter(item["inner"].items()))
        name = item["name"]
        if kind == "use":
            return visit(inner["id"], path)
        here = f"{path}::{name}"
        if kind in ("struct", "enum", "function", "type_alias", "trait", "constant"):
            lines.add(f"{'fn' if kind == 'function' else kind.replace('_alias', '')} {here}")
        fields = []
        if kind == "struct":
            fields = (inner["kind"].get("plain") or {}).get("fields", []) if isinstance(inner["kind"], dict) else []
        if kind in ("enum", "variant"):
            fields = inner.get("variants", [])
        for field in fields:
            of = index.get(str(field))
            if of is not None and (kind == "enum" or of["visibility"] == "public"):
                lines.add(f"{'variant' if kind == 'enum' else 'field'} {here}::{of['name']}")
        for block in inner.get("impls", []) if kind in ("struct", "enum") else []:
            block = index[str(block)]["inner"]["impl"]
            for method in block["items"] if block["trait"] is None else []:
                visit(method, here)

    for item in index[str(doc["root"])]["inner"]["module"]["items"]:
        visit(item, "paring")
    order = {"fn": 3, "variant": 1, "field": 2}
    text = HEAD + "".join(f"{line}\n" for line in sorted(lines, key=lambda l: (l.split(" ")[1].split("::")[1], order.get(l.split(" ")[0], 0), l)))
    if "--check" in sys.argv:
        if open(PAGE).read() != text:
            sys.exit("docs/api.txt is not what the library has: run tools/api.py and look at what changed")
        return
    with open(PAGE, "w") as f:
        f.write(text)
    print(f"{len(lines)} items")


main()
