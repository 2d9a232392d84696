#!/usr/bin/env python3
"""Renders the published chat templates of chat_templates.json.zst with Jinja, as transformers does,
for conversations chosen here, and writes chat_cases.json.zst.

    python make_chat_cases.py

chat_templates.json holds by name what models publish (data: it is what must be recognised), and
whether it is one of the known families. Needs: jinja2, the program zstd.
"""
import json
import os
import subprocess

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEM, USER, ANSWER = ("system", "You are terse.\n"), ("user", "What is 2+2?"), ("assistant", "  It is 4. ")
USER2 = ("user", " \u00a0And 3+3?\n\x1f")
THOUGHT = ("assistant", "<think>\nhm\n\nso\n</think>\n\nSix\n")
RESPONSE = ("user", "<tool_response>x</tool_response>")
CONVERSATIONS = [
    [USER], [SYSTEM, USER], [USER, ANSWER, USER2], [SYSTEM, USER, ANSWER, USER2], [SYSTEM, USER, ANSWER, USER2, THOUGHT],
    [USER, THOUGHT], [USER, THOUGHT, USER2], [USER, THOUGHT, ANSWER], [SYSTEM], [USER, USER2], [ANSWER, USER],
    [USER, SYSTEM, USER2], [USER, ("assistant", "")], [RESPONSE], [USER, THOUGHT, RESPONSE],
    [USER, ("assistant", "a</think>b</think>\n\nc"), USER2], [USER, ANSWER, THOUGHT], [THOUGHT]]


def refuse(message):
    raise jinja2.TemplateError(message)


def main():
    packed = os.path.join(HERE, "chat_templates.json.zst")
    templates = json.loads(subprocess.run(["zstd", "-dcq", packed], capture_output=True, check=True).stdout)
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                extensions=["jinja2.ext.loopcontrols"])
    environment.globals["raise_exception"] = refuse
    cases = []
    for name, entry in templates.items():
        if not entry["known"]:
            continue
        template = environment.from_string(entry["template"])
        for messages in CONVERSATIONS:
            for prompt in (True, False):
                for thinking in (True, False) if "enable_thinking" in entry["template"] else (True,):
                    values = dict(messages=[dict(role=role, content=content) for role, content in messages],
                                  add_generation_prompt=prompt, tools=None, eos_token="</s>",
                                  bos_token="<|begin_of_text|>" if "header_id" in entry["template"] else "<s>")
                    if not thinking:
                        values["enable_thinking"] = False
                    try:
                        expected = template.render(**values)
                    except jinja2.TemplateError:
                        expected = None  # the template raises
                    cases.append(dict(template=name, messages=messages, prompt=prompt, thinking=thinking,
                                      expected=expected))
    subprocess.run(["zstd", "-q", "-19", "-f", "-o", os.path.join(HERE, "chat_cases.json.zst")],
                   input=json.dumps(cases).encode(), check=True)


if __name__ == "__main__":
    main()
