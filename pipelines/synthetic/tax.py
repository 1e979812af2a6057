"""Tax documents: client letters, questions and answers, notices of an invented tax office."""

from __future__ import annotations

from pipelines.synthetic import people
from pipelines.synthetic.dice import Dice
from pipelines.synthetic.documents import Draft, bulleted, details, sentence, values
from pipelines.synthetic.grammar import Fragment, Passage, Scene, join, map_text, plain, text, wrap
from pipelines.synthetic.people import Client
from pipelines.synthetic.phrases import Topic, groups, topics

CLIENTS = 900
#: Topics that come up more often, so that a small model meets their words again and again.
COMMON = (
    *("dependents", "dependents", "standard_deduction", "withholding", "estimated"),
    *("depreciation", "home_office", "capital_gains"),
)
_STATES = ("8 Mill Court", "410 Statehouse Row", "77 Ledger Square", "1900 Assembly Drive", "3 Customs Yard")
_FIRM_WORDS = ("Larkfield", "Brightwater", "Oakhurst", "Pinewell", "Copperline", "Stonebrook", "Alderton")
_FIRM_ENDS = ("Tax Partners", "Tax Advisers", "& Daughters Tax", "Accounting Group", "Tax Services LLC")
_AUTHORITIES = (
    "National Revenue Bureau",
    "Office of Revenue Accounts",
    "Bureau of Tax Assessment",
    "Central Taxpayer Service",
    "Revenue Collection Office",
)
#: Groups whose lines belong together: the first question has the first answer.
_PERSONAL = ("personal_question", "personal_answer")
_BANKS = ("Harborstone Bank", "Pine Valley Credit Union", "First Meridian Savings", "Tidewater Trust")


def letter(number: int, attempt: int) -> Draft:
    """A letter of an adviser to a client, or of a client to an adviser."""
    dice = Dice("tax", "letter", number, attempt)
    who = people.client("tax", _client_number(dice))
    topic = _topic(dice)
    scene = _scene(dice, who, topic)
    if dice.chance(0.4):
        title, body = scene.one("request_title"), _letter_of_client(scene, topic)
    else:
        title, body = scene.one("letter_title"), _letter_of_adviser(scene, topic)
    if dice.chance(0.12):
        body = wrap(body, dice.pick((64, 72, 80)))
    return Draft(who.id, plain(title), body)


def _letter_of_adviser(scene: Scene, topic: Topic) -> Passage:
    dice = scene.dice
    explain = [_statement(scene, topic) for _ in range(dice.between(3, 4))]
    case = [scene.fill(scene.fresh(topic.advice)), scene.one("outlook")]
    if dice.chance(0.6):
        case.insert(dice.below(2), scene.fill(scene.fresh(topic.examples)))
    if dice.chance(0.25):
        case.insert(0, scene.one("lead_case"))
    requests = [scene.one("ask") for _ in range(dice.between(1, 2))]
    requests += [details(scene, "confirm")] if dice.chance(0.7) else []
    requests += [scene.one("fee")] if dice.chance(0.3) else []
    middle = [join(" ", explain), join(" ", case)]
    if dice.chance(0.3):
        middle.append(bulleted(scene, [_statement(scene, topic) for _ in range(dice.between(2, 3))]))
    parts = [
        scene.one("header") if dice.chance(0.6) else (),
        scene.one("greeting"),
        scene.one("opener"),
        *dice.some(middle, len(middle)),
        join(" ", requests),
        scene.one("closing"),
        text(scene.one("farewell"), "\n", scene.one("signature")),
        scene.one("postscript") if dice.chance(0.2) else (),
    ]
    return join("\n\n", parts)


def _letter_of_client(scene: Scene, topic: Topic) -> Passage:
    dice = scene.dice
    other = _topic(dice)
    story = [scene.fill(scene.fresh(topic.situations)) for _ in range(min(2, len(topic.situations)))]
    asked = [scene.one("bridge_client")] if dice.chance(0.6) else []
    questions = [*topic.asked, *(question for question, _ in topic.pairs)]
    asked += [scene.fill(scene.fresh(questions)) for _ in range(2)]
    if dice.chance(0.5):
        asked.append(text("I read the following: ", _statement(scene, topic), " Is that right for me?"))
    more = [scene.fill(scene.fresh(other.situations)), scene.fill(scene.fresh(other.asked))]
    wishes = [scene.one("ask_client") for _ in range(dice.between(1, 3))]
    wishes += [details(scene, "tell")] if dice.chance(0.7) else []
    middle = [join(" ", story), join(" ", asked)]
    if dice.chance(0.6):
        middle.append(join(" ", more))
    middle = dice.some(middle, len(middle)) if dice.chance(0.4) else middle
    parts = [
        scene.one("header_client") if dice.chance(0.5) else (),
        scene.one("greeting_adviser"),
        scene.one("opener_client"),
        *middle,
        join(" ", wishes),
        scene.one("closing_client"),
        text(scene.one("farewell"), "\n", scene.one("signature_client")),
    ]
    return join("\n\n", parts)


def question(number: int, attempt: int) -> Draft:
    """A page of questions and answers, or the long answer to one question."""
    dice = Dice("tax", "question", number, attempt)
    who = people.client("tax", _client_number(dice))
    topic = _topic(dice)
    scene = _scene(dice, who, topic)
    if dice.chance(0.25):
        asked = scene.fill(scene.fresh(topic.asked))
        return Draft(who.id, plain(asked), _long_answer(scene, topic))
    return Draft(who.id, plain(scene.one("question_title")), _page_of_answers(scene, topic))


def _long_answer(scene: Scene, topic: Topic) -> Passage:
    dice = scene.dice
    said = [
        scene.fill(scene.fresh(topic.answers)),
        *(_statement(scene, topic) for _ in range(dice.between(3, 4))),
    ]
    parts = [
        text(dice.pick(("A: ", "", "", "Answer: ")), join(" ", said)),
        text("Example: ", scene.fill(scene.fresh(topic.examples))),
        join(" ", [scene.fill(advice) for advice in dice.some(topic.advice, 2)]),
        *(_pair(scene, topic, "Q: ", "A: ") for _ in range(dice.between(0, 1))),
        scene.one("question_outro") if dice.chance(0.6) else (),
    ]
    return join("\n\n", parts)


def _page_of_answers(scene: Scene, topic: Topic) -> Passage:
    dice = scene.dice
    usual = ("Q: ", "A: ")
    ask, answer = dice.pick((usual, usual, usual, ("Question: ", "Answer: "), ("", "")))
    gap = dice.pick(("\n\n", "\n\n", "\n"))
    blocks = [_definition(scene, topic, ask, answer)]
    blocks += [_pair(scene, topic, ask, answer) for _ in range(dice.between(1, 2))]
    blocks += [_definition(scene, other, ask, answer) for other in _others(dice, topic)]
    if dice.chance(0.45):
        asked, said = dice.pick(list(zip(*(groups("tax")[name] for name in _PERSONAL), strict=True)))
        blocks.append(text(ask, scene.fill(asked), "\n", answer, scene.fill(said)))
    parts = [
        scene.one("question_intro") if dice.chance(0.7) else (),
        *blocks,
        scene.one("question_outro") if dice.chance(0.5) else (),
    ]
    return join(gap, parts)


def _others(dice: Dice, topic: Topic) -> list[Topic]:
    """One or two further topics of the same page."""
    found = [_topic(dice) for _ in range(dice.between(1, 2))]
    return [other for i, other in enumerate(found) if other is not topic and other not in found[:i]]


def _definition(scene: Scene, topic: Topic, ask: str, answer: str) -> Passage:
    """The first question about a topic with its answer and one to three further sentences."""
    more = [_statement(scene, topic, lead=0.1) for _ in range(scene.dice.between(0, 2))]
    if scene.dice.chance(0.35):
        more.append(scene.fill(scene.fresh([*topic.examples, *topic.advice])))
    asked, said = scene.fill(scene.fresh(topic.asked)), scene.fill(scene.fresh(topic.answers))
    return text(ask, asked, "\n", answer, join(" ", [said, *more]))


def _pair(scene: Scene, topic: Topic, ask: str, answer: str) -> Passage:
    """Another question about the topic; nothing when this document has asked them all."""
    left = scene.left([asked for asked, _ in topic.pairs])
    if not left:
        return ()
    asked = scene.fresh(left)
    said = dict(topic.pairs)[asked]
    more = _statement(scene, topic, lead=0) if scene.dice.chance(0.4) else ()
    return text(ask, scene.fill(asked), "\n", answer, join(" ", [scene.fill(said), more]))


def notice(number: int, attempt: int) -> Draft:
    """A notice with a block of fields, an explanation, steps to take and rights."""
    dice = Dice("tax", "notice", number, attempt)
    who = people.client("tax", _client_number(dice))
    topic = _topic(dice)
    scene = _scene(dice, who, topic)
    why = [scene.one("why") for _ in range(dice.between(1, 2))]
    why += [_statement(scene, topic) for _ in range(dice.between(1, 2))]
    if dice.chance(0.3):
        why.insert(0, scene.fill(scene.fresh(topic.answers)))
    todo = [scene.one("todo") for _ in range(dice.between(2, 3))]
    if dice.chance(0.4):
        todo.append(scene.fill(scene.fresh(topic.advice)))
    steps = bulleted(scene, todo) if dice.chance(0.5) else join(" ", todo)
    pay = join(" ", [scene.one("pay") for _ in range(dice.between(1, 2))])
    rights = join(" ", [scene.one("rights") for _ in range(dice.between(1, 3))])
    sections = [
        _section(scene, "why_heading", join(" ", why)),
        scene.one("amounts") if dice.chance(0.45) else (),
        _section(scene, "todo_heading", steps),
        _section(scene, "pay_heading", pay) if dice.chance(0.6) else (),
        _section(scene, "rights_heading", rights) if dice.chance(0.75) else (),
    ]
    parts = [_fields(scene), scene.one("notice_greeting"), scene.one("notice_opener"), *sections]
    body = join("\n\n", [*parts, scene.one("notice_end") if dice.chance(0.8) else ()])
    if dice.chance(0.12):
        body = wrap(body, dice.pick((60, 68, 76)))
    return Draft(who.id, _upper_first(plain(scene.one("notice_title"))), body)


def _upper_first(title: str) -> str:
    return title[0].upper() + title[1:]


def _fields(scene: Scene) -> Passage:
    dice = scene.dice
    lines = [scene.one("field_other") for _ in range(dice.between(2, 5))]
    lines.append(scene.one("field_number"))
    lines = dice.some(lines, len(lines))
    lines.insert(dice.below(2), scene.one("field_name"))
    block = join("\n", lines)
    return map_text(block, str.upper) if dice.chance(0.07) and "ß" not in plain(block) else block


def _section(scene: Scene, heading: str, body: Passage) -> Passage:
    """A section with a heading of one of several looks, or without one."""
    head = scene.one(heading)
    look = scene.dice.below(6)
    if look == 0:
        return body
    if look == 1:
        return text(map_text(head, str.upper), "\n", body)
    if look == 2:
        return text(head, ": ", body) if "\n" not in plain(body) else text(head, ":\n", body)
    return text(head, "\n", body)


def _statement(scene: Scene, topic: Topic, lead: float = 0.22) -> Passage:
    """A fact about the topic, now and then with a lead-in; advice or nothing when all facts were said."""
    left = scene.left(topic.facts) or scene.left([*topic.examples, *topic.advice])
    return sentence(scene, scene.fill(scene.fresh(left)), lead) if left else ()


def _topic(dice: Dice) -> Topic:
    every = topics("tax")
    if dice.chance(0.35):
        name = dice.pick(COMMON)
        return next(topic for topic in every if topic.name == name)
    return dice.pick(every)


def _client_number(dice: Dice) -> int:
    return 4000 + dice.below(CLIENTS)


def _scene(dice: Dice, who: Client, topic: Topic) -> Scene:
    """All slots of a tax document: the client, an adviser, an officer, and the numbers of the case."""
    firm = f"{dice.pick(_FIRM_WORDS)} {dice.pick(_FIRM_ENDS)}"
    site = "".join(char for char in firm.split(" ")[0].lower())
    place = people.client("tax", _client_number(dice))
    office = text(
        Fragment(dice.pick(_STATES), "STREET_ADDRESS"),
        ", ",
        Fragment(place.city, "LOCATION"),
        ", ",
        Fragment(place.state, "LOCATION"),
        " ",
        Fragment(place.zip, "ZIP_CODE"),
    )
    authority, host = dice.pick(_AUTHORITIES), dice.pick(("portal", "files", "secure"))
    fixed = people.slots_of(
        {
            "firm": (firm, "ORGANIZATION"),
            "authority": (authority, "ORGANIZATION"),
            "bank": (dice.pick(_BANKS), "ORGANIZATION"),
            "firm_url": (f"https://{dice.pick(('www.', ''))}example.com/{site}", "URL"),
            "authority_url": (f"https://revenue.example.com/{topic.name}", "URL"),
            "url": (f"https://{host}.example.com/{dice.pick('uvc')}/{dice.digits(5)}", "URL"),
            "colleague": (people.person(Dice("colleague", dice.below(60))).full, "PERSON"),
        }
    )
    adviser = people.person(Dice("adviser", dice.below(60)))
    officer = people.person(Dice("officer", dice.below(40)))
    slots = {
        **values(dice),
        **people.client_slots(who),
        **people.person_slots("adviser", adviser),
        **people.person_slots("officer", officer),
        **people.person_slots("other", people.person(Dice("employer", who.id))),
        **fixed,
        "office_address": lambda dice: office,
        "topic": lambda dice: topic.title,
        "topic_cap": lambda dice: topic.title.capitalize(),
    }
    return Scene(dice, slots, groups("tax"))
