#!/usr/bin/env python3
"""Checks every file of this folder with an implementation of its own (Python 3, standard library only).

    python3 check.py [LINES]

LINES is how much of the published number sequence is made and compared (default 100000; checkpoints exist
for every power of ten up to 10000000). Prints a summary; exit code 1 if anything is not as the corpus says.
"""

import csv
import hashlib
import json
import math
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEPTH_MAX = 128
BYTES_MAX = 16 * 1024 * 1024
# What an ordinary parser cannot tell apart.
GRAMMAR = {"syntax", "truncated", "trailing", "control", "escape"}
CHECKPOINTS = {
    1_000: "be18b62b6f69cdab33a7e0dae0d9cfa869fda80ddc712221570f9f40a5878687",
    10_000: "b9f7a8e75ef22a835685a52ccba7f7d6bdc99e34b010992cbc5864cd12be6892",
    100_000: "22776e6d4b49fa294a0d0f349268e5c28808fe7e0cb2bcbe28f63894e494d4c7",
    1_000_000: "49415fee2c56c77864931bd3624faad425c3c577d6d74e89a83bc725506dad16",
    10_000_000: "b9f8a44a91d46813b21b9602e72f112613c91408db0b8341fb94603d9db135e0",
}


class Refused(Exception):
    """A text that has no canonical form; its one argument is the reason."""


# --- reading -----------------------------------------------------------------------------------------------


def read(data):
    """The value of a JSON text given as bytes."""
    if len(data) > BYTES_MAX:
        raise Refused("size")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("utf8") from None
    if text.startswith("\ufeff"):
        raise Refused("byte_order_mark")
    try:
        value = json.loads(
            text,
            object_pairs_hook=members,
            parse_int=double,
            parse_float=double,
            parse_constant=lambda word: refuse("syntax"),
        )
    except json.JSONDecodeError:
        raise Refused("syntax") from None
    except RecursionError:
        raise Refused("depth") from None
    judge(value)
    return value


def refuse(reason):
    raise Refused(reason)


def members(pairs):
    names = dict(pairs)
    if len(names) < len(pairs):
        raise Refused("repeated_name")
    return names


def double(digits):
    value = float(digits)
    if math.isinf(value):
        raise Refused("range")
    return value


def judge(value):
    """Refuses what the parser lets pass: too many levels, and half surrogate pairs."""
    level = [value]
    depth = 0
    while level:
        below = []
        containers = 0
        for item in level:
            if isinstance(item, str):
                whole(item)
            elif isinstance(item, dict):
                containers += 1
                for name in item:
                    whole(name)
                below.extend(item.values())
            elif isinstance(item, list):
                containers += 1
                below.extend(item)
        depth += containers > 0
        if depth > DEPTH_MAX:
            raise Refused("depth")
        level = below


def whole(text):
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Refused("surrogate")


# --- writing -----------------------------------------------------------------------------------------------


def by_units(name):
    return name.encode("utf-16-be")


def by_script(name):
    """The order in which ECMAScript prints members: those that look like places of an array come first."""
    is_place = name.isascii() and name.isdigit() and (name == "0" or name[0] != "0") and int(name) < 2**32 - 1
    return (0, int(name), b"") if is_place else (1, 0, by_units(name))


def write(value, order=by_units):
    """The canonical text of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str):
        return string(value)
    if isinstance(value, list):
        return "[" + ",".join(write(item, order) for item in value) + "]"
    pairs = (string(name) + ":" + write(value[name], order) for name in sorted(value, key=order))
    return "{" + ",".join(pairs) + "}"


SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def string(text):
    def letter(char):
        return SHORT.get(char) or (f"\\u{ord(char):04x}" if char < " " else char)

    return '"' + "".join(map(letter, text)) + '"'


def number(value):
    """Number::toString of ECMAScript, from the shortest digits that read back as the same double."""
    if math.isnan(value) or math.isinf(value):
        raise Refused("range")
    if value == 0:
        return "0"
    mantissa, _, exponent = repr(abs(value)).partition("e")
    before, _, after = mantissa.partition(".")
    digits = (before + after).lstrip("0")
    # The value is 0.DIGITS times ten to the power of `point`.
    point = len(digits) - len(after) + int(exponent or 0)
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        text = digits + "0" * (point - count)
    elif 0 < point <= 21:
        text = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        fraction = "." + digits[1:] if count > 1 else ""
        text = f"{digits[0]}{fraction}e{point - 1:+d}"
    return "-" + text if value < 0 else text


# --- fingerprints ------------------------------------------------------------------------------------------


def fingerprint(row):
    """The request fingerprint of a row of fingerprints.jsonl."""
    raw = row["layout"] == "raw"
    meta = ""
    if row["meta"] is not None:
        value = read(row["meta"].encode())
        if not isinstance(value, dict):
            raise Refused("no_object")
        if value or raw:
            meta = write(value, by_script if raw else by_units)
    fields = [str(row["envelope_version"]), row["destination_kind"], row["destination_ref"]]
    fields += [row["reply_to_id"], row["priority"], meta]
    if any("\0" in field for field in fields):
        raise Refused("nul")
    body = hashlib.sha256(row["body"].encode())
    tail = body.digest() if raw else body.hexdigest().encode()
    return hashlib.sha256(b"".join(field.encode() + b"\0" for field in fields) + tail).hexdigest()


# --- the corpus --------------------------------------------------------------------------------------------

wrong = []


def same(what, got, wanted):
    if got != wanted:
        wrong.append(f"{what}: got {got!r}, wanted {wanted!r}")


def outcome(make, *arguments):
    """What comes out, or `refused:` and the reason."""
    try:
        return make(*arguments)
    except Refused as refused:
        reason = refused.args[0]
        return "refused: " + ("grammar" if reason in GRAMMAR else reason)


def refusal(reason):
    return "refused: " + ("grammar" if reason in GRAMMAR else reason)


def canonical(data):
    return write(read(data))


def check_pairs():
    names = sorted(path.stem for path in (HERE / "input").glob("*.json"))
    for name in names:
        wanted = (HERE / "output" / f"{name}.json").read_bytes()
        same(name, outcome(canonical, (HERE / "input" / f"{name}.json").read_bytes()).encode(), wanted)
        same(f"outhex {name}", bytes.fromhex((HERE / "outhex" / f"{name}.txt").read_text()), wanted)
    return len(names)


def check_cases():
    rows = [json.loads(line) for line in (HERE / "edge-cases.jsonl").read_text("ascii").splitlines()]
    for row in rows:
        data = bytes.fromhex(row["input_hex"]) if "input_hex" in row else row["input"].encode()
        wanted = {
            "must-accept": lambda: row["expected"],
            "must-refuse": lambda: refusal(row["reason"]),
            "choice": lambda: row["expected_if_accepted"],
        }[row["class"]]()
        got = outcome(canonical, data)
        same(row["id"], got, wanted)
        if row["class"] != "must-refuse":
            same(f"{row['id']}, again", outcome(canonical, got.encode()), wanted)
    return len(rows)


def check_numbers():
    rows = list(csv.DictReader((HERE / "numbers.csv").open(newline="")))
    for row in rows:
        (value,) = struct.unpack(">d", bytes.fromhex(row["ieee754_hex"]))
        wanted = refusal("range") if row["expected"].startswith("ERROR:") else row["expected"]
        same(f"number {row['ieee754_hex']}", outcome(number, value), wanted)
    return len(rows)


def sequence():
    """The bit patterns of the published sequence."""
    with (HERE / "numbers.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["section"] == "es6-sequence"]
    yield from (int(row["ieee754_hex"], 16) for row in rows if int(row["index"]) <= 168)
    yield from range(0x0010000000000000, 0x0010000000000000 + 2000)
    block = bytes(32)
    while True:
        block = hashlib.sha256(block).digest()
        for bits in struct.unpack("<4Q", block):
            if bits & 0x7FFFFFFFFFFFFFFF and bits & 0x7FF0000000000000 != 0x7FF0000000000000:
                yield bits


def check_sequence(lines):
    whole_hash = hashlib.sha256()
    for count, bits in enumerate(sequence(), 1):
        (value,) = struct.unpack(">d", bits.to_bytes(8, "big"))
        whole_hash.update(f"{bits:x},{number(value)}\n".encode())
        if count in CHECKPOINTS:
            same(f"the first {count} numbers", whole_hash.hexdigest(), CHECKPOINTS[count])
        if count >= lines:
            return count
    return 0


def check_fingerprints():
    rows = [json.loads(line) for line in (HERE / "fingerprints.jsonl").read_text("ascii").splitlines()]
    for row in rows:
        wanted = row["fingerprint"] if "fingerprint" in row else refusal(row["reason"])
        same(f"fingerprint {row['id']} ({row['layout']})", outcome(fingerprint, row), wanted)
    return len(rows)


def main():
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    checked = {
        "pairs": check_pairs(),
        "edge cases": check_cases(),
        "numbers": check_numbers(),
        "numbers of the sequence": check_sequence(lines),
        "fingerprints": check_fingerprints(),
    }
    for text in wrong[:20]:
        print("WRONG", text)
    summary = ", ".join(f"{count} {what}" for what, count in checked.items())
    print(f"check.py: {summary}: " + (f"{len(wrong)} WRONG" if wrong else "all as the corpus says"))
    sys.exit(1 if wrong or not all(checked.values()) else 0)


if __name__ == "__main__":
    main()
