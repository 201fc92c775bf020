"""Runs a project's tests in the sandbox; what they did, test by test, stands in `report.json`.

The project lies in `project`, the packages that it may import in `packages`. Nothing here can be
trusted to be true once the project's own code has run beside it.
"""

import json
import os
import subprocess
import sys

PLUGIN = """
import json

outcomes = {}


def pytest_runtest_logreport(report):
    if report.failed:
        outcomes[report.nodeid] = "failed"
    elif report.skipped:
        outcomes.setdefault(report.nodeid, "skipped")
    elif report.when == "call":
        outcomes.setdefault(report.nodeid, "passed")


def pytest_collectreport(report):
    if report.failed:
        outcomes[report.nodeid] = "failed"


def pytest_sessionfinish(session):
    with open(REPORT, "w") as file:
        json.dump(outcomes, file)
"""


def main() -> None:
    with open("command.json") as file:
        command = json.load(file)
    here = os.getcwd()
    packages = os.path.join(here, "packages")
    os.makedirs(packages, exist_ok=True)
    with open(os.path.join(packages, "treadle_report.py"), "w") as file:
        file.write(f"REPORT = {os.path.join(here, 'report.json')!r}\n{PLUGIN}")
    for name in ("sitecustomize.py", "usercustomize.py"):
        # Python imports the first of these names that it finds.
        open(os.path.join(packages, name), "w").close()
    if command[0] in ("python", "python3"):
        command[0] = sys.executable
    project = os.path.join(here, "project")
    environment = {
        **os.environ,
        "HOME": here,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join((packages, os.path.join(project, "src"), project)),
        "PYTEST_PLUGINS": "treadle_report",
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
    }
    # The boundary ends it where it takes too long.
    done = subprocess.run(command, cwd=project, env=environment, stdin=subprocess.DEVNULL)  # noqa: S603
    sys.stdout.flush()
    os._exit(done.returncode if done.returncode >= 0 else 1)


main()
