"""Support documents: tickets, chats and replies of an invented bank."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.synthetic import people
from pipelines.synthetic.dice import Dice
from pipelines.synthetic.documents import Draft, small_letters, values
from pipelines.synthetic.grammar import Passage, Scene, join, map_text, plain, text
from pipelines.synthetic.people import Client
from pipelines.synthetic.phrases import Topic, groups, topics

CLIENTS = 450
_BANKS = ("Cobalt Bank", "Fernway Money", "Larkpay", "Quayside Bank", "Tallgrass Financial")


def ticket(number: int, attempt: int) -> Draft:
    """A message of a customer, with a head and sometimes an agent's note."""
    scene, who, topic = _start("ticket", number, attempt)
    dice = scene.dice
    message = [scene.fill(scene.fresh(topic.situations))]
    message += [_question(scene, topic)] if dice.chance(0.7) else []
    message += [scene.one("feeling") for _ in range(dice.between(1, 3))]
    message += [scene.one("contact") for _ in range(dice.between(1, 2))]
    message += [scene.fill(scene.fresh(topic.situations))] if dice.chance(0.3) else []
    body = join(" ", message)
    if dice.chance(0.1):
        body = small_letters(body)
    elif dice.chance(0.04):
        body = map_text(body, str.upper) if "ß" not in plain(body) else body
    note = join(" ", [scene.one("note"), _fact(scene, topic)]) if dice.chance(0.55) else ()
    parts = [
        scene.one("ticket_head") if dice.chance(0.75) else (),
        text(scene.one("hello"), "\n", body) if dice.chance(0.7) else body,
        scene.one("thanks") if dice.chance(0.8) else (),
        note,
    ]
    return Draft(who.id, plain(scene.one("subject")), join(dice.pick(("\n\n", "\n")), parts))


def chat(number: int, attempt: int) -> Draft:
    """A conversation between a customer and an agent, one line a turn."""
    scene, who, topic = _start("chat", number, attempt)
    dice = scene.dice
    agent, customer = _speakers(scene)
    hasty = dice.chance(0.3)

    def says(*parts: Passage) -> Passage:
        said = join(" ", parts)
        return text(customer, small_letters(said) if hasty else said)

    turns = [text(agent, scene.one("chat_open"))] if dice.chance(0.7) else []
    turns.append(says(scene.fill(scene.fresh(topic.situations)), _question(scene, topic)))
    if dice.chance(0.7):
        asked, _, said = scene.fresh(scene.phrases["verify"]).partition(" => ")
        turns += [text(agent, scene.fill(asked)), says(scene.fill(said))]
    answer = scene.fill(scene.fresh(topic.answers))
    turns.append(text(agent, join(" ", [scene.one("found"), answer])))
    for _ in range(dice.between(0, 1)):
        turns += [says(scene.one("react")), text(agent, join(" ", [_fact(scene, topic), scene.one("act")]))]
    if dice.chance(0.4):
        left = scene.left([asked for asked, _ in topic.pairs])
        turns += [_exchange(scene, topic, asked, says, agent) for asked in dice.some(left, 1)]
    turns += [says(scene.one("glad")), text(agent, scene.one("chat_end"))]
    return Draft(who.id, f"Chat: {topic.title}", join("\n", turns))


def _exchange(scene: Scene, topic: Topic, asked: str, says: Callable[[Passage], Passage], agent: Passage) -> Passage:
    """A further question and its answer."""
    return join("\n", [says(scene.fill(asked)), text(agent, scene.fill(dict(topic.pairs)[asked]))])


def _speakers(scene: Scene) -> tuple[Passage, Passage]:
    """What stands before a line of the agent and of the customer."""
    pairs = (
        ("Agent: ", "Customer: "),
        ("{agent_first}: ", "{client_first}: "),
        ("Support: ", "User: "),
        ("[support desk|agent] > ", "[client|me] > "),
        ("{agent_name}: ", "{client_name}: "),
    )
    agent, customer = scene.dice.pick(pairs)
    return scene.fill(agent), scene.fill(customer)


def reply(number: int, attempt: int) -> Draft:
    """An answer of the bank by e-mail."""
    scene, who, topic = _start("reply", number, attempt)
    dice = scene.dice
    answer = [
        scene.fill(scene.fresh(topic.answers)),
        *(_fact(scene, topic) for _ in range(dice.between(0, 2))),
    ]
    steps = [scene.fill(scene.fresh(topic.advice))] if dice.chance(0.5) else []
    steps += [scene.one("reply_check") for _ in range(dice.between(1, 3))]
    parts = [
        scene.one("reply_hello"),
        join(" ", [scene.one("reply_open"), *answer]),
        join(" ", dice.some(steps, len(steps))),
        scene.one("reply_end"),
        scene.one("reply_farewell"),
    ]
    return Draft(who.id, plain(scene.one("subject")), join("\n\n", parts))


def _question(scene: Scene, topic: Topic) -> Passage:
    return scene.fill(scene.fresh([*topic.asked, *(asked for asked, _ in topic.pairs)]))


def _fact(scene: Scene, topic: Topic) -> Passage:
    left = scene.left([*topic.facts, *topic.advice])
    return scene.fill(scene.fresh(left)) if left else ()


def _start(kind: str, number: int, attempt: int) -> tuple[Scene, Client, Topic]:
    """The scene of a support document: client, agents, bank and topic."""
    dice = Dice("support", kind, number, attempt)
    who = people.client("support", 1000 + dice.below(CLIENTS))
    topic = dice.pick(topics("support"))
    bank = dice.pick(_BANKS)
    scheme = dice.pick(("https://", "http://", "https://www."))
    name = bank.split(" ")[0].lower()
    shop = people.client("shop", dice.below(80)).business
    fixed = people.slots_of(
        {
            "bank": (bank, "ORGANIZATION"),
            "shop": (shop, "ORGANIZATION"),
            "colleague": (people.person(Dice("bank colleague", dice.below(30))).full, "PERSON"),
            "help_url": (f"https://help.example.com/{name}/{topic.name}", "URL"),
            "url": (f"{scheme}example.com/{dice.pick('abc')}/{dice.digits(4)}", "URL"),
        }
    )
    agent = people.person(Dice("agent", dice.below(40)))
    slots = {
        **values(dice),
        **people.client_slots(who),
        **people.person_slots("agent", agent),
        **people.person_slots("other", people.person(Dice("caller", dice.below(200)))),
        "bank_phone": people.person_slots("bank", people.person(Dice("bank", bank)))["bank_phone"],
        **fixed,
        "topic": lambda dice: topic.title,
        "topic_cap": lambda dice: topic.title[0].upper() + topic.title[1:],
        "asked": lambda dice: dice.pick(topic.asked),
        "fee": lambda dice: dice.pick(("0.5", "1", "1.5")),
    }
    return Scene(dice, slots, groups("support")), who, topic
