"""The small vocabularies by which fields, units and tools are recognised, all as stems."""

from melious_sandbox.brain.words import STOPWORDS, stem

__all__ = [
    "AFTER_SUBJECT",
    "ASKING",
    "EMPTY_CUES",
    "GENERIC",
    "LOOKUP",
    "NUMBER_WORDS",
    "ROLES",
    "SMALL_TALK",
    "STARTERS",
    "SWITCHES",
    "SYNONYMS",
    "TERSE",
    "UNITS",
]


def _stems(listed: str) -> frozenset[str]:
    return frozenset(stem(word) for word in listed.split())


def _table(text: str) -> dict[str, frozenset[str]]:
    """Lines of "name: word word"."""
    lines = (line.partition(":") for line in text.strip().splitlines())
    return {name.strip(): _stems(listed) for name, _, listed in lines}


ROLES = _table("""
    place: city cities location place town village country destination origin address region area venue room
    person: name person people author recipient contact attendee customer username user
    date: date day deadline birthday due when
    time: time clock
    email: email mail
    url: url uri link website webpage href
    query: query question search q prompt keyword keywords topic subject term terms request
    expression: expression equation formula calculation arithmetic
""")
"""Words in the name or the description of a field, by what the field is."""

ROLES["place"] |= _stems("airport state departure arrival birthplace hometown residence")
ROLES["person"] |= _stems(
    "employee speaker character artist writer owner assignee participant member guest sender"
)

UNITS = {
    stem(name): units
    for name, units in _table("""
    age: year years old yo aged
    price: euro euros eur usd dollar dollars cent € $ £ cost costs
    cost: euro euros eur usd dollar dollars € $ £
    amount: euro euros eur usd dollar dollars € $ £ gbp yen chf
    budget: euro euros eur usd dollar dollars € $ £
    salary: euro euros eur usd dollar dollars € $ £
    duration: second seconds minute minutes hour hours day days week weeks min mins sec
    minutes: minute minutes min mins
    hours: hour hours h
    seconds: second seconds sec s
    days: day days
    weeks: week weeks
    months: month months
    years: year years
    temperature: degree degrees celsius fahrenheit °c °f ° kelvin
    distance: km kilometre kilometer kilometres kilometers mile miles m metre metres meter meters
    height: cm m metre meter metres meters feet ft inch inches
    weight: kg g gram grams kilo kilos kilogram kilograms lb lbs pound pounds
    percent: % percent
    percentage: % percent
    rate: % percent
    brightness: % percent
    volume: % percent
    level: % percent
    speed: km/h kmh mph
    k: result results item items hit hits document documents top first passages
    results: result results hit hits
    limit: result results item items hit hits document documents top first
    count: time times item items piece pieces
    quantity: time times item items piece pieces
    guests: people guest guests person persons
    people: people guest guests person persons
""").items()
}
"""Units a number carries, by a word in the name of its field."""

_COUNTED = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty
"""
NUMBER_WORDS = {word: value for value, word in enumerate(_COUNTED.split())} | {
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "hundred": 100,
    "thousand": 1000,
    "dozen": 12,
}
"""Numbers that are spelt out."""

_OPENERS = """
    i i'm i'd i'll i've hi hello hey dear thanks thank ok okay yes no maybe please find get fetch
    look search tell show give book order buy set turn send write draft email call create make add
    subtract multiply divide calculate compute convert translate summarize summarise schedule remind
    plan list check read open close delete remove update cancel what's who's where's when's how's is
    are was were do does did can could will would should may might has have extract return answer
    explain describe generate suggest recommend play stop start run use using tell compare sort
    monday tuesday wednesday thursday friday saturday sunday january february march april june july
    august september october november december also then now today tomorrow celsius fahrenheit
    kelvin my
"""
STARTERS = frozenset(_OPENERS.split()) | STOPWORDS
"""Words that are capitalised for where they stand, or that name no one and no place."""

_VERBS = """
    is was were are has had have lives lived works worked and said wants wanted bought who whose
    will can
"""
AFTER_SUBJECT = frozenset(_VERBS.split())
"""Words behind a name that opens a sentence."""

_EMPTY = """
    value input argument param parameter field string number integer text the given data object arg
    required optional default example return tool function
"""
EMPTY_CUES = _stems(_EMPTY) | STOPWORDS
"""Words of names and descriptions that tell nothing about a field."""

SWITCHES = _stems("include enable use is has with should show get return allow do")
"""Words in the name of a boolean that do not say what it switches."""

_SHORT = """
    street zip postcode postal phone telephone id identifier code isbn iban unit
    color colour status type category kind key token password timezone version
"""
TERSE = _stems(_SHORT)
"""Fields that no sentence is the value of."""

_TOOLISH = """
    get set give fetch return returns tool function user current currently given input output value
    string integer number call api information info result results new perform run execute provide
    based two second first specific specified name list data make helpful useful
"""
GENERIC = _stems(_TOOLISH) - {stem("list")}
"""Words in the definitions of tools that fit any request."""

LOOKUP = _stems(
    "search retrieve retriever lookup query find knowledge documentation docs wikipedia web encyclopedia"
)
"""Words in the definition of a tool that searches."""

_QUESTIONS = (
    "what which who whom whose where when why how explain describe tell is are does do can show find define"
)
_CHAT = "hello hi hey thanks thank joke story poem morning evening day fine ok okay nice good great name"
SMALL_TALK = _stems(_CHAT)
"""Words of which a message that wants nothing looked up consists."""

ASKING = frozenset(_QUESTIONS.split())
"""Words among the first three of a question."""

_KIN = """
    weather temperature forecast rain snow sunny wind degrees cold hot warm colder hotter warmer climate
    multiply times product multiplied multiplication calculate
    add sum plus total addition calculate
    subtract minus difference subtraction calculate
    divide divided quotient division calculate
    calculate compute calculator calculation arithmetic math mathematical expression evaluate
    search find lookup look google
    time clock hour
    date today
    email mail
    convert exchange conversion
    currency euro euros dollar dollars usd eur
    translate translation translator
    stock share ticker
    calendar event meeting appointment schedule
    remind reminder reminders
    flight flights fly plane
    hotel room accommodation
    restaurant dinner reservation
    news headlines
    power exponent exponentiate raise
    image picture photo photograph illustration drawing painting draw paint
    transcribe transcript transcription
"""
SYNONYMS = tuple(_stems(line) for line in _KIN.strip().splitlines())
"""Words that ask for the same thing."""
