"""Opens pages in headless Chromium over its DevTools protocol and prints what happened as JSON.

Usage: browser.py CHROMIUM DIRECTORY PLAN

The plan is a list of steps: {"open": URL, "width": 1280, "scheme": "dark"}, {"evaluate": JAVASCRIPT}, {"screenshot": FILE},
{"pdf": FILE}. The answer is an object with `results` (of `evaluate`, in order), `console` (errors and warnings), and `requests`.
"""

import base64
import json
import os
import select
import subprocess
import sys
import time


class Browser:
    def __init__(self, program, profile):
        to_browser, self.output = os.pipe()
        self.input, from_browser = os.pipe()

        def plumbing():
            os.dup2(to_browser, 3)
            os.dup2(from_browser, 4)

        # The pipe of the protocol has the numbers 3 and 4, so other descriptors must not be there.
        to_browser, from_browser = (os.dup2(fd, fd + 40) for fd in (to_browser, from_browser))
        self.process = subprocess.Popen(
            [
                program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                "--disable-dev-shm-usage", f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank",
            ],
            preexec_fn=plumbing, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.buffer = b""
        self.number = 0
        self.console, self.requests = [], []
        targets = self.ask("Target.getTargets")["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        self.session = None
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if getattr(self, "session", None):
            message["sessionId"] = self.session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        return self.until(lambda event: event.get("id") == self.number)

    def until(self, wanted, patience=60):
        end = time.monotonic() + patience
        while True:
            while b"\0" not in self.buffer:
                ready, _, _ = select.select([self.input], [], [], max(0, end - time.monotonic()))
                if not ready:
                    raise TimeoutError("the browser does not answer")
                read = os.read(self.input, 1 << 20)
                if not read:
                    raise EOFError("the browser ended")
                self.buffer += read
            line, self.buffer = self.buffer.split(b"\0", 1)
            event = json.loads(line)
            self.note(event)
            if wanted(event):
                if "error" in event:
                    raise RuntimeError(event["error"])
                return event.get("result", event.get("params"))

    def note(self, event):
        parameters = event.get("params", {})
        match event.get("method"):
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "warning", "assert"):
                self.console.append(str(parameters["args"]))
            case "Runtime.exceptionThrown":
                self.console.append(str(parameters["exceptionDetails"]))
            case "Log.entryAdded" if parameters["entry"]["level"] in ("error", "warning"):
                self.console.append(str(parameters["entry"]))
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])

    def open(self, step):
        width = step.get("width", 1280)
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        features = [{"name": "prefers-color-scheme", "value": step.get("scheme", "light")}]
        self.ask("Emulation.setEmulatedMedia", features=features)
        self.ask("Page.navigate", url=step["open"])
        self.until(lambda event: event.get("method") == "Page.loadEventFired")

    def evaluate(self, expression):
        answer = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def screenshot(self, file, height):
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], height), "scale": 1}
        answer = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        with open(file, "wb") as out:
            out.write(base64.b64decode(answer["data"]))

    def pdf(self, file):
        with open(file, "wb") as out:
            out.write(base64.b64decode(self.ask("Page.printToPDF")["data"]))


def main():
    program, directory, plan = sys.argv[1:]
    plan = json.loads(plan)
    browser = Browser(program, os.path.join(directory, "profile"))
    results = []
    try:
        for step in plan:
            if "open" in step:
                browser.open(step)
            elif "evaluate" in step:
                results.append(browser.evaluate(step["evaluate"]))
            elif "screenshot" in step:
                browser.screenshot(step["screenshot"], step.get("height", 6000))
            else:
                browser.pdf(step["pdf"])
    finally:
        browser.process.kill()
        browser.process.wait()
    print(json.dumps({"results": results, "console": browser.console, "requests": browser.requests}))


main()
