#!/usr/bin/env python3
"""Opens reports of `paring --report` in headless Chromium and checks what they show against the output of --json.

  drive.py PARING FOLDER [SCREENSHOTS]

FOLDER has NAME.pt2, and NAME.masks.safetensors or none; the pages are written beside them. Speaks WebDriver by itself.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --window-size=1280,1000""".split()


class Browser:
    """A session of chromedriver."""

    def __init__(self, profile):
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                self.base = f"http://127.0.0.1:{line.split()[-1].rstrip('.')}"
                break
        else:
            raise SystemExit("chromedriver did not start")
        options = {"args": FLAGS + ["--user-data-dir=" + profile]}
        wanted = {"browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"}, "goog:chromeOptions": options}
        try:
            self.base += "/session/" + self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        except BaseException:
            self.driver.terminate()
            raise

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as e:
            raise AssertionError(e.read().decode().split("\\n")[0]) from None

    def open(self, path):
        self.call("POST", "/url", {"url": "file://" + os.path.abspath(path)})

    def js(self, code, *args):
        return self.call("POST", "/execute/sync", {"script": code, "args": list(args)})

    def find(self, css):
        return next(iter(self.call("POST", "/element", {"using": "css selector", "value": css}).values()))

    def click(self, css):
        self.call("POST", f"/element/{self.find(css)}/click", {})

    def type(self, css, text):
        self.call("POST", f"/element/{self.find(css)}/value", {"text": text})

    def press(self, key):
        """Presses a key wherever the focus is."""
        steps = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": steps}]})

    def scheme(self, name):
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}})

    def quiet(self):
        """No errors, and nothing asked of a network."""
        log = [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]
        assert not log, log
        assert self.js("return performance.getEntriesByType('resource').length") == 0

    def picture(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("GET", "/screenshot")))

    def quit(self):
        try:
            self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()


def until(what, test):
    end = time.time() + 10
    while not test():
        assert time.time() < end, what
        time.sleep(0.05)


def same(what, is_, should):
    assert is_ == should, f"{what}: {is_!r}, not {should!r}"


def spaced(n):
    return f"{n:,}".replace(",", "\u202f")


def count(n, word):
    return f"{spaced(n)} {word}" + ("" if n == 1 else "s")


def shape(sizes):
    return "×".join(map(str, sizes)) or "scalar"


TEXT = "return document.querySelector(arguments[0])?.innerText"
TEXTS = "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)"
ENTER, ESCAPE, DOWN = "\ue007", "\ue00c", "\ue015"


def check(b, paring, folder, name, pictures):
    model, page, masks = f"{folder}/{name}.pt2", f"{folder}/{name}.html", f"{folder}/{name}.masks.safetensors"
    run = lambda *args: subprocess.run([paring, *args], check=True, stdout=subprocess.PIPE, text=True).stdout
    analysis = json.loads(run("analyze", model, "--json"))
    groups = [g for g in analysis["groups"] if not (g["locked"] and len(g["members"]) == 1)]
    if os.path.exists(masks):
        summary = json.loads(run("speedup", model, "--masks", masks, "-o", f"{folder}/small.pt2", "--json", "--report", page))
    else:
        summary = None
        run("analyze", model, "--report", page)
    begun = time.time()
    b.open(page)
    took = time.time() - begun
    assert took < 5, f"it took {took:.1f} s to open"
    assert name in b.call("GET", "/title")

    # Totals and layers.
    total = b.js(TEXT, "#total-parameters")
    if summary:
        for key in ["parameters", "macs", "bytes"]:
            t = summary[key]
            assert f"{spaced(t['before'])} → {spaced(t['after'])}" in b.js(TEXT, "#total-" + key), (key, total)
        layer = max(summary["layers"], key=lambda l: l["parameters"]["before"])
        b.type("#search", layer["name"])
        until("the layer is found", lambda: b.js("return !!document.querySelector('.row.layer[data-name=\"' + arguments[0] + '\"]:not([hidden] *)')", layer["name"]))
        cells = b.js("return [...document.querySelector('.row.layer[data-name=\"' + arguments[0] + '\"]:not([hidden] *)').children].map(c => c.textContent)", layer["name"])
        p = layer["parameters"]
        sizes = shape(layer["before"]) + ("" if layer["before"] == layer["after"] else " → " + shape(layer["after"]))
        same("the layer", [cells[1], cells[3], cells[4]], [sizes, spaced(p["before"]), spaced(p["after"])])
        layers = [l for l in summary["layers"] if layer["name"].lower() in (l["name"] or "(model)").lower()]
        hits = [g for g in groups if any(layer["name"].lower() in m["axis"].lower() for m in g["members"])]
        until("what was found", lambda: b.js(TEXT, "#found").startswith(f"{count(len(layers), 'layer')}, {count(len(hits), 'group')}, "))
        b.press(ESCAPE)
        until("the search ends", lambda: b.js(TEXT, "#found") == "")
    else:
        assert spaced(analysis["parameters"]) in total, total

    # Groups: all are there once the end is in sight; one opens by the keyboard.
    shown = b.js("return document.querySelectorAll('#groups .g').length")
    assert 0 < shown <= max(120, min(len(groups), 400)), shown
    assert b.js("return document.getElementsByTagName('*').length") < 12000
    group = max(groups, key=lambda g: (len(g["members"]), g["parameters"]))
    assert b.js("document.querySelector('#search').blur(); return true")
    b.press("/")
    same("the focus", b.js("return document.activeElement.id"), "search")
    b.type("#search", f"group {group['id']}" + ENTER)
    opened = f"#g{group['id']}[aria-expanded=true]"
    until("the group opens", lambda: b.js("return !!document.querySelector(arguments[0])", opened))
    members = f"#g{group['id']} + .open .members"
    while b.js("return !!document.querySelector(arguments[0])", members + " button.more"):
        b.js("document.querySelector(arguments[0]).click()", members + " button.more")
    same("the members", sorted(b.js(TEXTS, members + " .member")), sorted(m["axis"] for m in group["members"]))
    detail = b.js(TEXT, f"#g{group['id']} + .open")
    for place in group["coupled_by"][:5]:
        assert place["node"] in detail, place
    b.press(ENTER)  # the focus is on the box
    until("the group closes", lambda: not b.js("return !!document.querySelector(arguments[0])", opened))
    b.click("#search")
    b.press(ESCAPE)
    until("all groups", lambda: b.js("return rows.length") == len(groups))
    b.js("document.querySelector('#g' + rows[0].id).focus()")
    b.press(DOWN)
    same("the next box", b.js("return document.activeElement.id"), "g" + str(b.js("return rows[Math.min(1, rows.length - 1)].id")))

    # Locks: each tells what stands in the way.
    locked = [g for g in groups if g["locked"]]
    if locked:
        worst = max(locked, key=lambda g: g["parameters"])
        b.js("document.querySelector('#locks summary').click()")
        until("the lock opens", lambda: worst["locked"]["why"] in (b.js(TEXT, "#locks details[open] .stop") or ""))
    # Conflicts: positions, and who is who.
    if summary and summary["conflicts"]:
        b.js("document.querySelectorAll('#conflicts summary').forEach(s => s.click())")
        until("the conflicts open", lambda: b.js(TEXT, "#conflicts details[open] table"))
        told = b.js("return D.conflicts.reduce((n, c) => n + c.positions, 0)")
        same("positions in conflict", told, sum(c["positions"] for c in summary["conflicts"]))
        for parameter in {p.rsplit(".", 1)[0] for p in summary["conflicts"][0]["votes"][0]["dropped_by"]}:
            assert parameter in b.js(TEXT, "#conflicts .list"), parameter
    if summary:
        same("kept", b.js("return document.querySelectorAll('#kept .item').length"), min(40, len(summary["kept"])))
    # Operators without a rule.
    listed = json.loads(run("rules", "list", "--model", model, "--json"))
    for op in listed["missing"]:
        assert op["why"] in b.js(TEXT, f"#operators tr[data-op='{op['op']}']"), op
    same("operators", b.js("return document.querySelectorAll('#operators tr.op').length"), len(listed["used"]) + len(listed["missing"]))

    # Light and dark: as the system, or as one chooses.
    colour = "return getComputedStyle(document.body).backgroundColor"
    colours = []
    for scheme in ["light", "dark"]:
        b.scheme(scheme)
        colours.append(b.js(colour))
        b.js("document.querySelector('#groups').scrollIntoView()")
        if pictures:
            b.picture(f"{pictures}/{name}-{scheme}.png")
    assert colours[0] != colours[1], colours
    b.js("const t = document.querySelector('#theme'); t.value = 'light'; t.dispatchEvent(new Event('change'))")
    same("the light theme", b.js(colour), colours[0])
    b.js("const t = document.querySelector('#theme'); t.value = ''; t.dispatchEvent(new Event('change'))")
    b.quiet()
    print(f"{name}: {os.path.getsize(page) // 1000} kB, {len(groups)} groups, opened in {took:.2f} s")


def main():
    paring, folder = sys.argv[1:3]
    names = sorted(f.removesuffix(".pt2") for f in os.listdir(folder) if f.endswith(".pt2") and f != "small.pt2")
    assert names, "no models"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        b = Browser(profile)
        try:
            for name in names:
                check(b, paring, folder, name, sys.argv[3] if len(sys.argv) > 3 else None)
        finally:
            b.quit()


main()
