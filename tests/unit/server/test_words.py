"""The page's words: each in all its languages, and no language with words that the page has not."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WEB = Path(__file__).parents[3] / "server" / "web"
NODE = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
CALL = re.compile(r"\b(?:say|many)\(((?:[^()]|\([^()]*\))*)")
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
STATIC = re.compile(r"data-word>([^<]+)<|aria-label=\"([^\"]+)\"")
ROLES = {"viewer", "operator", "administrator", "no role"}
FILLED = re.compile(r"\{\w+\}")


def words_of(name):
    return {
        json.loads(text): json.loads(translated)
        for text, translated in re.findall(
            r'^  ("(?:[^"\\]|\\.)*"): ("(?:[^"\\]|\\.)*"),$',
            (WEB / name).read_text("utf-8"),
            re.MULTILINE,
        )
    }


def used():
    found = set(ROLES)
    for path in WEB.glob("*.js"):
        if not path.name.startswith(("words.", "page.min.")):
            for call in CALL.findall(path.read_text("utf-8")):
                found |= set(TEXT.findall(call))
    for text, label in STATIC.findall((WEB / "index.html").read_text("utf-8")):
        found.add(text or label)
    return found


@pytest.mark.parametrize("name", ["words.de.js", "words.zh.js"])
def test_a_language_has_all_words_and_fills_in_what_the_english_does(name):
    words = words_of(name)
    assert set(words) == used()
    lines = (WEB / name).read_text("utf-8").count("\n") - 3
    assert len(words) == lines, "a line is doubled, or is not one"
    for text, translated in words.items():
        assert sorted(FILLED.findall(translated)) == sorted(FILLED.findall(text)), text


@pytest.mark.parametrize("name", sorted(path.name for path in WEB.glob("*.js")))
def test_no_words_are_left_untranslated(name):
    """Sentences stand in quotes only where `say` translates them, or in comments."""
    if name.startswith(("words", "page.min.")):
        return
    text = re.sub(r"//.*", "", (WEB / name).read_text("utf-8"))
    outside = CALL.sub("", text)
    assert re.findall(r'["`][A-Z][a-z]+ [a-z]+[^"`]*["`]', outside) == []


@pytest.mark.skipif(NODE is None, reason="needs Node.js")
@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        (["de-AT", "en"], ["de", "de-AT", "Zähler", "2 Teile", "1.234"]),
        (["zh-CN"], ["zh", "zh-CN", "计数器", "2 个分片", "1,234"]),
        (["en-GB", "de"], ["en", "en-GB", "Counters", "2 shards", "1,234"]),
        (["fr", "ar"], ["en", "en", "Counters", "2 shards", "1,234"]),
        (["fr", "DE"], ["de", "DE", "Zähler", "2 Teile", "1.234"]),
    ],
    ids=lambda value: value[0],
)
def test_the_browser_chooses_the_language(languages, expected):
    program = f"""
      Object.defineProperty(globalThis, "navigator", {{ value: {{ languages: {languages} }} }});
      const {{ language, locale, say, many }} = await import("{(WEB / "words.js").as_uri()}");
      console.log(JSON.stringify([language, locale, say("Counters"),
        many(2, "{{n}} shard", "{{n}} shards"), (1234).toLocaleString(locale)]));
    """
    run = subprocess.run(
        [str(NODE), "--no-warnings", "--input-type=module", "-e", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    told = json.loads(run.stdout)
    told[4] = told[4].replace("\N{NARROW NO-BREAK SPACE}", ".").replace("\N{NO-BREAK SPACE}", ".")
    assert told == expected
