"""Puts an extension's manifest into its component, as the custom section `tidings:manifest`: embed.py FOLDER COMPONENT"""

import json
import pathlib
import sys
import tomllib


def length(number):
    """A LEB128 number."""
    low = bytearray()
    while True:
        low.append(number & 0x7F | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return bytes(low)


def main(folder, component):
    manifest = tomllib.loads((folder / "extension.toml").read_text())
    manifest["settings"] = json.loads((folder / manifest["settings"]).read_text())
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    name = b"tidings:manifest"
    content = length(len(name)) + name + text.encode()
    component.write_bytes(component.read_bytes() + b"\0" + length(len(content)) + content)


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
