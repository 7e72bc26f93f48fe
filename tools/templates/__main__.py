"""Say what is wrong with the templates: `python -m tools.templates`."""

import logging
import sys

from tools.generated import PROJECT_DIR
from tools.templates.agreement import App
from tools.templates.check import check

if __name__ == "__main__":
    logging.disable(logging.WARNING)  # azure.functions has one for every function without an HTTP trigger
    faults = check(PROJECT_DIR, App.of_project())
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)
