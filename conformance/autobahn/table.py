"""Makes the table of results out of the suite's reports: table.py EXPLAINED WORK RUNTIME...

Ends with 1 when a case failed, when one that is not strictly passed is not explained, or when an explanation
is of a case that is passed strictly.
"""
from __future__ import print_function

import collections
import json
import os
import sys

# Cases that count as good only when they are passed strictly: bad UTF-8 is noticed where it stands.
STRICT = ("6.4.3", "6.4.4")
GOOD = ("OK", "NON-STRICT", "INFORMATIONAL")


def number(case):
    return [int(part) for part in case.split(".")]


def main(explained, work, runtimes):
    with open(explained) as lines:
        reasons = dict(line.strip().split(" ", 1) for line in lines if line.strip() and line[0] != "#")
    wrong, used = [], set()
    print("# What came of the Autobahn suite\n")
    print("Written by `conformance/autobahn/run`: autobahntestsuite 0.8.2, fuzzing client, every case but those of")
    print("compression (12 and 13), which is not offered. `behavior` and `close` are the suite's own words.")
    for runtime in runtimes:
        with open(os.path.join(work, runtime, "index.json")) as report:
            cases = json.load(report)[runtime]
        groups = collections.defaultdict(collections.Counter)
        for case, result in cases.items():
            groups[case.split(".")[0]][result["behavior"]] += 1
        print("\n## %s: %d cases\n" % (runtime, len(cases)))
        print("| Group | OK | NON-STRICT | INFORMATIONAL | FAILED |\n|---|---|---|---|---|")
        for group in sorted(groups, key=int):
            failed = sum(count for word, count in groups[group].items() if word not in GOOD)
            print("| %s | %s | %d |" % (group, " | ".join(str(groups[group][word]) for word in GOOD), failed))
        print("\n| Case | behavior | close | Why |\n|---|---|---|---|")
        for case in sorted(cases, key=number):
            behavior, close = cases[case]["behavior"], cases[case]["behaviorClose"]
            strict = behavior == "OK" and close == "OK"
            if case in STRICT and not strict:
                wrong.append("%s: %s must be strict and is %s" % (runtime, case, behavior))
            if strict:
                continue
            used.add(case)
            print("| %s | %s | %s | %s |" % (case, behavior, close, reasons.get(case, "")))
            if behavior not in GOOD or close not in GOOD:
                wrong.append("%s: %s is %s, %s" % (runtime, case, behavior, close))
            elif case not in reasons:
                wrong.append("%s: %s is %s and not explained" % (runtime, case, behavior))
    wrong += ["explained, but strict: %s" % case for case in sorted(set(reasons) - used, key=number)]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
