#!/usr/bin/env python3
"""Runs the commands and Python blocks of pages, as a reader would: `tests/docs/run.py README.md docs/deploy.md`.

The blocks of a page run in order, all Python ones in one process, all commands in one folder with `paring` on the PATH. What a page takes
for granted (a model, masks) stands in comments that nobody sees rendered:

    <!-- python          a hidden block of Python, before what follows
    ...
    -->
    <!-- sh              hidden commands
    ...
    -->
    <!-- not run: why -->   the next block is left out, for a reason

A ```text block after a block says what it prints: each of its lines is found in the output, with `...` for any text, unless
`<!-- not compared: why -->` stands before it.
"""

import argparse, contextlib, io, os, pathlib, re, shutil, subprocess, sys, tempfile, textwrap, traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"<!-- (?P<hidden>python|sh)\n(?P<hidden_code>.*?)-->|<!-- not (?P<left>run|compared): [^>]*-->|^ *```(?P<kind>\w+)\n(?P<code>.*?)^ *```", re.S | re.M)


def blocks(text):
    left = None
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if found["left"]:
            left = found["left"]
        elif found["hidden"]:
            yield found["hidden"], found["hidden_code"], line
        else:
            kind = {"bash": "sh", "console": "sh", "py": "python"}.get(found["kind"], found["kind"])
            if left != ("compared" if kind == "text" else "run"):
                yield kind, textwrap.dedent(found["code"]), line
            left = None


def shell(code, folder):
    run = subprocess.run(["bash", "-euo", "pipefail", "-c", code], cwd=folder, capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


def python(code, line, names):
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            exec(compile("\n" * line + textwrap.dedent(code), names["__page__"], "exec"), names)
    except BaseException:  # whatever a page does
        return 1, out.getvalue() + traceback.format_exc()
    return 0, out.getvalue()


def page(path):
    names = {"__name__": "page", "__page__": str(path)}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "examples", pathlib.Path(folder, "examples"))
        os.chdir(folder)
        said, ran = "", 0
        for kind, code, line in blocks(path.read_text()):
            if kind == "sh":
                status, said = shell(code, folder)
            elif kind == "python":
                status, said = python(code, line, names)
            elif kind == "text":
                seen = [" ".join(x.split()) for x in said.splitlines()]
                for want in filter(None, (" ".join(x.split()) for x in code.splitlines())):
                    pattern = re.compile(".*".join(map(re.escape, want.split("..."))))
                    if not any(pattern.search(x) for x in seen):
                        return f"{path}:{line}: is not printed: {want}\n{said}", ran
                continue
            else:
                continue
            ran += 1
            if status:
                return f"{path}:{line}: fails\n{said}", ran
    return None, ran


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("pages", nargs="+", type=pathlib.Path)
    ap.add_argument("--paring", type=pathlib.Path, default=ROOT / "target/release/paring")
    a = ap.parse_args()
    os.environ["PATH"] = f"{a.paring.resolve().parent}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    wrong = 0
    for path in [p.resolve() for p in a.pages]:
        fault, ran = page(path)
        print(f"{'FAIL' if fault else 'ok':4} {path.relative_to(ROOT)}: {ran} blocks", flush=True)
        if fault or not ran:
            print(fault or "no block was found")
            wrong += 1
    sys.exit(1 if wrong else 0)


main()
