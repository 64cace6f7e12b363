#!/usr/bin/env python3
"""Checks what the documents claim exists: links and their anchors, `apical` subcommands, make targets; and that no
placeholder such as A_FIGURE_TO_COME was left in their prose.

Needs nothing but Python 3.9. Subcommands are asked of the newest apical built under target/ (or CARGO_TARGET_DIR);
without one they are not checked, and it says so. Links to other hosts are not followed.
"""

import html
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ["*.md", ".github/**/*.md", "docs/**/*.md", "reports/**/*.md", "suites/**/*.md"]

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
INLINE_LINK = re.compile(r"\]\(\s*(?:<([^<>]*)>|([^\s()]*(?:\([^\s()]*\)[^\s()]*)*))(?:\s+[\"'(][^)]*)?\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)")
HTML_LINK = re.compile(r"<[^>]*?\b(?:href|src|srcset)\s*=\s*[\"']([^\"']+)[\"']", re.IGNORECASE)
HTML_ANCHOR = re.compile(r"<[^>]*?\b(?:id|name)\s*=\s*[\"']([^\"']+)[\"']", re.IGNORECASE)
HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
PLACEHOLDER = re.compile(r"\b[A-Z]+_[A-Z_]{6,}\b")
SCHEME = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)
# A command stands at the start of a line or after a prompt or another command. A word after it that could be prose counts
# too: this looks at code only.
COMMAND = re.compile(r"(?:^|[$;|&`(]\s*|\s)(?:[\w./-]*/)?apical\s+([a-z][a-z-]*)(?=$|[\s`;|&)])")
MAKE = re.compile(r"(?:^|[$;|&(]\s*|sudo )make\s+([a-z][a-z-]*)(?=$|[\s`;|&)])")


def split(text):
    """The document's lines as (number, prose without code, pieces of code), front matter and comments included."""
    fence = None
    for number, line in enumerate(text.splitlines(), start=1):
        mark = FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = None
            else:
                yield number, "", [line]
        elif mark:
            fence = mark[1]
        else:
            yield number, CODE_SPAN.sub("", line), [span[1] for span in CODE_SPAN.findall(line)]


def anchors(path, seen={}):
    """The anchors that git hosts give a document's headings, and those it sets in HTML."""
    if path not in seen:
        found, counts = set(), {}
        fenced = None
        for line in path.read_text(encoding="utf-8").splitlines():
            mark = FENCE.match(line)
            if mark and (fenced is None or mark[1].startswith(fenced)):
                fenced = mark[1] if fenced is None else None
            if fenced:
                continue
            found.update(HTML_ANCHOR.findall(line))
            heading = HEADING.match(line)
            if heading:
                words = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading[2])
                words = html.unescape(re.sub(r"<[^>]+>", "", words)).lower()
                slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
                seen_before = counts.get(slug, 0)
                counts[slug] = seen_before + 1
                found.add(f"{slug}-{seen_before}" if seen_before else slug)
        seen[path] = found
    return seen[path]


def link_fault(document, target):
    """Why a link leads nowhere; None when it leads somewhere, or to another host."""
    if SCHEME.match(target):
        return None
    place, _, anchor = target.partition("#")
    place = unquote(place.partition("?")[0])
    path = document if not place else ROOT / place.lstrip("/") if place.startswith("/") else document.parent / place
    path = Path(os.path.normpath(path))
    if ROOT != path and ROOT not in path.parents:
        return f"`{target}` leads out of the repository"
    if not path.exists():
        return f"`{target}`: no such file"
    if anchor and path.suffix == ".md" and unquote(anchor) not in anchors(path):
        return f"`{target}`: {path.relative_to(ROOT)} has no heading `#{anchor}`"
    return None


def built_binary():
    """The newest apical that was built, or None."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [path for path in (target / "debug/apical", target / "release/apical") if path.exists()]
    return max(built, key=lambda path: path.stat().st_mtime, default=None)


def knows_subcommand(binary, name, seen={}):
    """Whether `apical help NAME` succeeds; hidden subcommands count."""
    if name not in seen:
        answer = subprocess.run([binary, "help", name], capture_output=True, timeout=30, check=False)
        seen[name] = answer.returncode == 0
    return seen[name]


def make_targets():
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def main():
    documents = sorted({path for pattern in DOCUMENTS for path in ROOT.glob(pattern)})
    binary, targets = built_binary(), make_targets()
    faults, links, commands = [], 0, 0
    for document in documents:
        for number, prose, code in split(document.read_text(encoding="utf-8")):
            where = f"{document.relative_to(ROOT)}:{number}"
            found = [one or other for one, other in INLINE_LINK.findall(prose)]
            faults += [f"{where}: `{name}` looks like a placeholder" for name in PLACEHOLDER.findall(INLINE_LINK.sub("]", prose))]
            found += REFERENCE.findall(prose) + HTML_LINK.findall(prose)
            links += len(found)
            faults += [f"{where}: {fault}" for fault in (link_fault(document, link) for link in found) if fault]
            for piece in code:
                for name in COMMAND.findall(piece):
                    commands += 1
                    if binary and not knows_subcommand(binary, name):
                        faults.append(f"{where}: `apical {name}`: no such subcommand")
                for name in MAKE.findall(piece):
                    commands += 1
                    if name not in targets:
                        faults.append(f"{where}: `make {name}`: no such target")
    if binary is None:
        print("documents: no apical is built under target/, so its subcommands were not checked")
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    print(f"documents: {len(documents)} files, {links} links, {commands} commands, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
