"""Recorded values for the tests of exec/scorers: what the Python packages, and SCBench's rules written
anew on top of them, say of made-up answers.

    pip install rouge_score==0.1.2 nltk tree_sitter==0.21.3 tree_sitter_languages==1.10.2
    python make_scores.py          # writes rouge, bleu, functions and turns .jsonl beside it
"""

import json
import os
import random
import re
import string
import warnings
from collections import Counter

warnings.filterwarnings("ignore")
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from rouge_score import rouge_scorer
from snippets import SNIPPETS
from tree_sitter_languages import get_language, get_parser

HERE = os.path.dirname(os.path.abspath(__file__))
ROUGE = rouge_scorer.RougeScorer(["rouge1", "rougeLsum"], use_stemmer=False)
FUNCTIONS = {
    "python": "(function_definition name: (_)) @f",
    "java": "(method_declaration name: (_)) @f",
    "typescript": "(function_declaration name: (_)) @f",
    "rust": "(function_item name: (_)) @f",
    "cpp": "(function_definition declarator: (function_declarator declarator: (identifier))) @f",
    "go": "(function_declaration name: (_)) @f",
}
COMMENTS = {
    "python": ["(block (expression_statement (string) @c))", "(comment) @c"],
    "java": ["(line_comment) @c", "(block_comment) @c"],
    "rust": ["(line_comment) @c", "(block_comment) @c"],
    "cpp": ["(comment) @c"], "typescript": ["(comment) @c"], "go": ["(comment) @c"],
}


def write(name, rows):
    with open(os.path.join(HERE, name + ".jsonl"), "w") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


def captures(code, language, query):
    tree = get_parser(language).parse(code.encode())
    return [node for node, _ in get_language(language).query(query).captures(tree.root_node)]


def first_function(code, language):
    for node in captures(code, language, FUNCTIONS[language]):
        return code.encode()[node.start_byte:node.end_byte].decode()
    return None


def without_comments(code, language):
    nodes = [n for query in COMMENTS[language] for n in captures(code, language, query)]
    data = code.encode()
    for node in sorted(nodes, key=lambda n: -n.start_byte):
        data = data[:node.start_byte] + data[node.end_byte:]
    return data.decode()


def bleu(reference, candidate):
    words = lambda text: re.split(r"\s+", text.strip())
    return sentence_bleu([words(reference)], words(candidate),
                         smoothing_function=SmoothingFunction().method4)


# SCBench's rules, one function a task: (turn) -> score.

def rule_kv(turn):
    if turn.get("mode") == "multi_request" and turn["task"] == "repoqa_and_kv":
        return float(turn["answers"][0] in turn)   # a record is searched, by its keys
    return float(turn["answers"][0] in turn["prediction"])


def rule_vt(turn):
    hits = [a.lower() in turn["prediction"].lower() for a in turn["answers"]]
    return round(sum(hits) / len(hits), 2)


def rule_anywhere(turn, references):
    text = turn["prediction"].strip().upper()
    return float(any(r.upper() in text for r in references))


def chinese(text):
    punctuation = set(string.punctuation) | set(
        "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏.")
    return "".join("".join(c for c in text.lower() if c not in punctuation).split())


def rule_qa_chn(turn):
    best = 0.0
    predicted = chinese(turn["prediction"])
    for reference in turn["answers"][0]:   # a string: its characters
        right = chinese(reference)
        same = sum((Counter(predicted) & Counter(right)).values())
        if same:
            p, r = same / len(predicted), same / len(right)
            best = max(best, 2 * p * r / (p + r))
    return best


def rule_choice(turn):
    text, letter = turn["answers"][0], "ABCD"[turn["options"].index(turn["answers"][0])]
    accepted = (text, letter)
    left = turn["prediction"].strip()
    if not left:
        return 0.0
    if left[0] in "ABCD":
        return float(left[0] in accepted)
    if left in accepted:
        return 1.0
    left = re.sub(" +", " ", re.sub("[\n\"'.,?!{}]", " ", left))
    for cue in ("answer is:", "answer:", "answer is", "option is"):
        if cue in left:
            rest = left.split(cue, 1)[1][1:]
            return float(rest != "" and rest.startswith(accepted))
    for word in left.split():
        if word in "ABCD":
            return float(word in accepted)
    return 0.0


def rule_mf(turn):
    found = re.search(r"\d+\.\d+|\d+", turn["prediction"])
    return float(found is not None and int(float(found.group())) == int(turn["answers"][0]))


def rule_passkey(turn):
    runs = re.findall("[0-9]+", turn["prediction"])
    return float((runs[0] if runs else "") == turn["answers"][0])


def rule_summary(turn):
    return ROUGE.score(turn["answers"][0], turn["prediction"])["rougeLsum"].fmeasure


def rule_repoqa(turn):
    text = turn["prediction"].strip()
    blocks = re.findall(r"^```(?:\w+)?\s*\n(.*?)(?=^```)```", text, re.DOTALL | re.MULTILINE)
    if blocks:
        found = (first_function(block, turn["language"]) for block in blocks)
        text = next((f for f in found if f is not None), blocks[0])
    best, best_name = 0, None
    for name, code in turn["needles"]:
        similarity = bleu(code, text)
        if similarity > best:
            best, best_name = similarity, name
    return float(best_name == turn["function_name"] and best >= 0.8)


RULES = {
    "kv": rule_kv, "prefix_suffix": rule_kv, "vt": rule_vt, "repoqa": rule_repoqa,
    "qa_eng": lambda t: rule_anywhere(t, t["answers"]), "qa_chn": rule_qa_chn,
    "choice_eng": rule_choice, "mf": rule_mf,
    "many_shot": lambda t: rule_anywhere(t, t["answers"][0]), "summary": rule_summary,
    "passkey": rule_passkey,
}

WORDS = ("the cat sat on a mat and then THE dog's house was 12 years old; naïve Straße İstanbul "
         "Kelvin (K) value:3.5 e-mail rouge_score N/A ½ end.").split()


def some_text(rng, lines, words):
    line = lambda: rng.choice(["", " ", "  "]) + " ".join(rng.choices(WORDS, k=rng.randint(0, words)))
    return "\n".join(line() for _ in range(rng.randint(0, lines)))


def rouge_rows(rng):
    fixed = [("", ""), ("a", ""), ("a\n\nb", "b\na"), ("中文 摘要", "中文 摘要"), ("a b c d", "d c b a"),
             ("x y\nx y", "x y"), ("x y", "x y\nx y\nx y"), ("a_b-c", "a b c"), ("one\rtwo", "one two")]
    pairs = fixed + [(some_text(rng, 6, 14), some_text(rng, 6, 14)) for _ in range(120)]
    for reference, prediction in pairs:
        f1 = ROUGE.score(reference, prediction)["rougeLsum"].fmeasure
        yield {"reference": reference, "prediction": prediction, "f1": f1}


def bleu_rows(rng):
    for _ in range(150):
        vocabulary = WORDS[: rng.choice([2, 4, 12, len(WORDS)])]
        reference = " ".join(rng.choices(vocabulary, k=rng.randint(1, 25)))
        words = reference.split() if rng.random() < 0.6 else rng.choices(vocabulary, k=rng.randint(1, 25))
        for _ in range(rng.randint(0, 4)):
            words[rng.randrange(len(words))] = rng.choice(WORDS)
        words = words[rng.randint(0, 2):] or ["end."]
        candidate = rng.choice([" ", "\n\t", "\u3000"]).join(words)
        yield {"reference": reference, "candidate": candidate, "bleu": bleu(reference, candidate)}


def function_rows():
    for language, codes in SNIPPETS.items():
        for code in codes:
            yield {"language": language, "code": code, "function": first_function(code, language),
                   "plain": without_comments(code, language)}


def frames(rng, answer):
    """Ways to say it."""
    return rng.choice([
        answer, f" {answer}.", f"The answer is {answer}", f"the answer is: {answer}.", f"answer:{answer}",
        f"({answer})", f'"{answer}"', answer.lower(), answer.upper(), answer[:-1], answer[1:], f"x{answer}y",
        f"Because of this, the option is {answer}!", f"I think {answer}\nQuestion: and B?", f"{answer}</s>",
        f"  \n{answer} 3.5 or -7", f"-{answer}", f"{answer}.7", f"Not sure. Maybe D. {answer}", "", "A", "٣٤",
        f"答案是{answer}。", f"the 2nd is {answer}", f"the answer is   {answer}", "the answer is", f"AB {answer}"])


def turn_rows(rng):
    uuid = lambda: "-".join("".join(rng.choices("0123456789abcdef", k=k)) for k in (8, 4, 4, 4, 12))
    name = lambda: "".join(rng.choices(string.ascii_uppercase, k=5))
    cities = ["London", "Paris", "A Coruña", "Den Haag", "Berlin, Brandenburg", "C", "Athens.", "Łódź"]
    characters = "贾宝玉林黛红楼梦，。！Aa1"
    makers = {
        "kv": lambda: {"answers": [uuid()]},
        "prefix_suffix": lambda: {"answers": ["".join(rng.choices([chr(c) for c in range(65, 123)], k=25))]},
        "vt": lambda: {"answers": [name() for _ in range(3)]},
        "qa_eng": lambda: {"answers": [rng.choice(cities + ["Straße", "Mr. Holmes", "a red dog"])]},
        "qa_chn": lambda: {"answers": ["".join(rng.choices(characters, k=rng.randint(1, 6)))]},
        "mf": lambda: {"answers": [str(rng.randint(-9, 999))]},
        "many_shot": lambda: {"answers": [rng.choice("ABCDEFG")]},
        "summary": lambda: {"answers": [some_text(rng, 4, 10)]},
        "passkey": lambda: {"answers": [str(rng.randint(10000, 99999))]},
    }

    def choice():
        options = rng.sample(cities, 4)
        return {"answers": [rng.choice(options)], "options": options}

    makers["choice_eng"] = choice
    for task, maker in makers.items():
        for _ in range(70):
            turn = {"task": task, **maker()}
            said = rng.choice(turn["answers"])
            if task == "vt":
                said = " ".join(rng.sample(turn["answers"] + [name()], rng.randint(1, 4)))
            if task == "choice_eng" and rng.random() < 0.6:
                said = rng.choice("ABCDE")
            turn["prediction"] = some_text(rng, 4, 10) if task == "summary" else frames(rng, said)
            if task == "passkey":
                turn.update(task="summary_with_needles", subtask="passkey")
            elif task in ("kv", "summary") and rng.random() < 0.3:
                mixed = {"kv": "repoqa_and_kv", "summary": "summary_with_needles"}[task]
                turn.update(task=mixed, subtask=task, mode=rng.choice(["multi_turn", "multi_request"]))
            yield {**turn, "compat": RULES[task](turn)}
    for language, codes in SNIPPETS.items():
        needles = [(f"f{i}", first_function(code, language)) for i, code in enumerate(codes)]
        needles = [n for n in needles if n[1]]
        for asked, code in needles:
            words = code.split(" ")
            for _ in range(rng.randint(0, 3)):
                words[rng.randrange(len(words))] = "changed"
            if get_parser(language).parse(" ".join(words).encode()).root_node.has_error:
                words = code.split(" ")   # what tree-sitter makes of broken code is its own
            shown = rng.choice([code, " ".join(words), " ".join(words) + "\n" + rng.choice(needles)[1]])
            shown = rng.choice([
                shown, f"```{language}\n{shown}\n```", f"Sure:\n\n```\n\n{shown}\n```\nIt adds.", f"```c++\n{shown}\n```\nand\n```\nx\n```",
                f"```{language}\n{shown}", f"It is\n```\nnothing\n```\nor\n```{language}\n{shown}\n``` ok", f"  ```\n{shown}\n```"])
            turn = {"task": "repoqa", "prediction": shown, "answers": [code], "language": language,
                    "function_name": asked, "needles": needles}
            if rng.random() < 0.2:
                turn.update(task="repoqa_and_kv", subtask="repoqa")
            yield {**turn, "compat": rule_repoqa(turn)}


if __name__ == "__main__":
    write("rouge", rouge_rows(random.Random(1)))
    write("bleu", bleu_rows(random.Random(2)))
    write("functions", function_rows())
    write("turns", turn_rows(random.Random(3)))
