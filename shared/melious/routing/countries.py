"""The countries of ISO 3166-1 and other names for them. Loaded for filters only."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from melious.errors.suggestions import nearest

_TABLE = """
AD AND Andorra
AE ARE United Arab Emirates
AF AFG Afghanistan
AG ATG Antigua and Barbuda
AI AIA Anguilla
AL ALB Albania
AM ARM Armenia
AO AGO Angola
AQ ATA Antarctica
AR ARG Argentina
AS ASM American Samoa
AT AUT Austria
AU AUS Australia
AW ABW Aruba
AX ALA Aland Islands
AZ AZE Azerbaijan
BA BIH Bosnia and Herzegovina
BB BRB Barbados
BD BGD Bangladesh
BE BEL Belgium
BF BFA Burkina Faso
BG BGR Bulgaria
BH BHR Bahrain
BI BDI Burundi
BJ BEN Benin
BL BLM Saint Barthelemy
BM BMU Bermuda
BN BRN Brunei
BO BOL Bolivia
BQ BES Caribbean Netherlands
BR BRA Brazil
BS BHS Bahamas
BT BTN Bhutan
BV BVT Bouvet Island
BW BWA Botswana
BY BLR Belarus
BZ BLZ Belize
CA CAN Canada
CC CCK Cocos Islands
CD COD Democratic Republic of the Congo
CF CAF Central African Republic
CG COG Republic of the Congo
CH CHE Switzerland
CI CIV Ivory Coast
CK COK Cook Islands
CL CHL Chile
CM CMR Cameroon
CN CHN China
CO COL Colombia
CR CRI Costa Rica
CU CUB Cuba
CV CPV Cape Verde
CW CUW Curacao
CX CXR Christmas Island
CY CYP Cyprus
CZ CZE Czechia
DE DEU Germany
DJ DJI Djibouti
DK DNK Denmark
DM DMA Dominica
DO DOM Dominican Republic
DZ DZA Algeria
EC ECU Ecuador
EE EST Estonia
EG EGY Egypt
EH ESH Western Sahara
ER ERI Eritrea
ES ESP Spain
ET ETH Ethiopia
FI FIN Finland
FJ FJI Fiji
FK FLK Falkland Islands
FM FSM Micronesia
FO FRO Faroe Islands
FR FRA France
GA GAB Gabon
GB GBR United Kingdom
GD GRD Grenada
GE GEO Georgia
GF GUF French Guiana
GG GGY Guernsey
GH GHA Ghana
GI GIB Gibraltar
GL GRL Greenland
GM GMB Gambia
GN GIN Guinea
GP GLP Guadeloupe
GQ GNQ Equatorial Guinea
GR GRC Greece
GS SGS South Georgia
GT GTM Guatemala
GU GUM Guam
GW GNB Guinea-Bissau
GY GUY Guyana
HK HKG Hong Kong
HM HMD Heard Island and McDonald Islands
HN HND Honduras
HR HRV Croatia
HT HTI Haiti
HU HUN Hungary
ID IDN Indonesia
IE IRL Ireland
IL ISR Israel
IM IMN Isle of Man
IN IND India
IO IOT British Indian Ocean Territory
IQ IRQ Iraq
IR IRN Iran
IS ISL Iceland
IT ITA Italy
JE JEY Jersey
JM JAM Jamaica
JO JOR Jordan
JP JPN Japan
KE KEN Kenya
KG KGZ Kyrgyzstan
KH KHM Cambodia
KI KIR Kiribati
KM COM Comoros
KN KNA Saint Kitts and Nevis
KP PRK North Korea
KR KOR South Korea
KW KWT Kuwait
KY CYM Cayman Islands
KZ KAZ Kazakhstan
LA LAO Laos
LB LBN Lebanon
LC LCA Saint Lucia
LI LIE Liechtenstein
LK LKA Sri Lanka
LR LBR Liberia
LS LSO Lesotho
LT LTU Lithuania
LU LUX Luxembourg
LV LVA Latvia
LY LBY Libya
MA MAR Morocco
MC MCO Monaco
MD MDA Moldova
ME MNE Montenegro
MF MAF Saint Martin
MG MDG Madagascar
MH MHL Marshall Islands
MK MKD North Macedonia
ML MLI Mali
MM MMR Myanmar
MN MNG Mongolia
MO MAC Macau
MP MNP Northern Mariana Islands
MQ MTQ Martinique
MR MRT Mauritania
MS MSR Montserrat
MT MLT Malta
MU MUS Mauritius
MV MDV Maldives
MW MWI Malawi
MX MEX Mexico
MY MYS Malaysia
MZ MOZ Mozambique
NA NAM Namibia
NC NCL New Caledonia
NE NER Niger
NF NFK Norfolk Island
NG NGA Nigeria
NI NIC Nicaragua
NL NLD Netherlands
NO NOR Norway
NP NPL Nepal
NR NRU Nauru
NU NIU Niue
NZ NZL New Zealand
OM OMN Oman
PA PAN Panama
PE PER Peru
PF PYF French Polynesia
PG PNG Papua New Guinea
PH PHL Philippines
PK PAK Pakistan
PL POL Poland
PM SPM Saint Pierre and Miquelon
PN PCN Pitcairn Islands
PR PRI Puerto Rico
PS PSE Palestine
PT PRT Portugal
PW PLW Palau
PY PRY Paraguay
QA QAT Qatar
RE REU Reunion
RO ROU Romania
RS SRB Serbia
RU RUS Russia
RW RWA Rwanda
SA SAU Saudi Arabia
SB SLB Solomon Islands
SC SYC Seychelles
SD SDN Sudan
SE SWE Sweden
SG SGP Singapore
SH SHN Saint Helena
SI SVN Slovenia
SJ SJM Svalbard and Jan Mayen
SK SVK Slovakia
SL SLE Sierra Leone
SM SMR San Marino
SN SEN Senegal
SO SOM Somalia
SR SUR Suriname
SS SSD South Sudan
ST STP Sao Tome and Principe
SV SLV El Salvador
SX SXM Sint Maarten
SY SYR Syria
SZ SWZ Eswatini
TC TCA Turks and Caicos Islands
TD TCD Chad
TF ATF French Southern Territories
TG TGO Togo
TH THA Thailand
TJ TJK Tajikistan
TK TKL Tokelau
TL TLS Timor-Leste
TM TKM Turkmenistan
TN TUN Tunisia
TO TON Tonga
TR TUR Turkey
TT TTO Trinidad and Tobago
TV TUV Tuvalu
TW TWN Taiwan
TZ TZA Tanzania
UA UKR Ukraine
UG UGA Uganda
UM UMI United States Minor Outlying Islands
US USA United States
UY URY Uruguay
UZ UZB Uzbekistan
VA VAT Vatican City
VC VCT Saint Vincent and the Grenadines
VE VEN Venezuela
VG VGB British Virgin Islands
VI VIR United States Virgin Islands
VN VNM Vietnam
VU VUT Vanuatu
WF WLF Wallis and Futuna
WS WSM Samoa
YE YEM Yemen
YT MYT Mayotte
ZA ZAF South Africa
ZM ZMB Zambia
ZW ZWE Zimbabwe
"""
"""Alpha-2 code, alpha-3 code, name: one line a country."""

_OTHER_NAMES = """
AT oesterreich, osterreich
BE belgie, belgique
CD congo kinshasa
CH schweiz, suisse, svizzera, swiss
CI cote d ivoire
CZ czech republic, tschechien
DE alemania, allemagne, deutschland
DK danemark, danmark
ES espagne, espana, spanien
FI finnland, suomi
FR francia, frankreich
GB britain, england, great britain, northern ireland, scotland, uk, wales
GR el, ellada, griechenland, hellas
HU magyarorszag
IE eire, irland
IT italia, italie, italien
KR korea
MK macedonia
MM burma
NL holland, nederland, niederlande, paises bajos, pays bas
NO norge, norwegen
PL polen, polska
SE schweden, sverige
SZ swaziland
TR turkiye
US america, united states of america, us of a
"""
"""Other names, normalized by `_folded`: one line per country."""

_UNION = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
_EVERYWHERE = frozenset({"*", "all", "any", "anywhere", "everywhere", "global", "world", "worldwide"})
_AREAS = {
    "eu": _UNION,
    "ue": _UNION,
    "european union": _UNION,
    "europe": "",
    "eea": f"{_UNION} IS LI NO",
    "european economic area": f"{_UNION} IS LI NO",
    "dach": "AT CH DE",
    "baltics": "EE LT LV",
    "benelux": "BE LU NL",
    "eurozone": "",
    "euro area": "",
    "schengen": "",
    "schengen area": "",
    "nordics": "DK FI IS NO SE",
    "scandinavia": "DK NO SE",
}
"""Regions, and their member states where those are well defined."""


@cache
def codes() -> frozenset[str]:
    """All 249 alpha-2 codes."""
    return frozenset(line[:2] for line in _TABLE.strip().splitlines())


@cache
def _names() -> dict[str, str]:
    """The alpha-2 code for each name and alpha-3 code, normalized by `_folded`."""
    names = {}
    for line in _TABLE.strip().splitlines():
        alpha2, alpha3, name = line.split(" ", 2)
        names[_folded(name)] = names[_folded(alpha3)] = alpha2
    for line in _OTHER_NAMES.strip().splitlines():
        alpha2, others = line.split(" ", 1)
        names.update(dict.fromkeys(others.split(", "), alpha2))
    return names


def code_of(text: str) -> str | None:
    """The alpha-2 code in a text, in any case; None for anything else.

    Example:
        >>> code_of(" de "), code_of("DEU"), code_of("UK")
        ('DE', None, None)
    """
    code = text.strip()
    # `upper` turns some non-ASCII letters into ASCII: a dotless i, a ligature.
    code = code.upper() if code.isascii() else ""
    return code if code in codes() else None


def hint_for(text: str) -> str:
    """A suggestion for a text that is not a code; empty if there is none.

    Example:
        >>> hint_for("Germany"), hint_for("UK"), hint_for("Atlantis")
        ("; did you mean 'DE' (Germany)?", "; did you mean 'GB' (United Kingdom)?", '')
    """
    folded = _folded(text)
    if folded in _EVERYWHERE:
        return "; leave `countries` out to allow all of them"
    several = [code_of(part) for part in re.split(r"[\s,;/|]+", text.strip())]
    if len(several) > 1 and all(several):
        return f"; list each code separately: {several}"
    if folded in _AREAS:
        members = _AREAS[folded].split()
        return f"; it is not a country. List its member states{f': {members}' if members else ''}"
    meant = code_of(folded) or _meant(folded) or _code_within(folded)
    return f"; did you mean {meant!r} ({_name_of(meant)})?" if meant else ""


def _meant(folded: str) -> str | None:
    names = _names()
    if folded in names:
        return names[folded]
    if len(folded) < 3:  # noqa: PLR2004 - two letters resemble too much
        return None
    begun = {code for name, code in names.items() if name.startswith(folded)}
    if len(begun) == 1:
        return begun.pop()
    near = nearest(folded, (name for name in names if len(name) > 3), cutoff=0.75)  # noqa: PLR2004
    return names[near] if near else None


def _code_within(folded: str) -> str | None:
    """The only code in a locale or region: `en_GB`, `DE-NW`."""
    found = {code for code in map(code_of, folded.split()) if code}
    return found.pop() if len(found) == 1 else None


def _folded(text: str) -> str:
    """A name without accents, case, dots and trailing number: `U.K.` is `uk`, `EU-27` is `eu`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[0-9]+$", "", plain.replace(".", "").replace("'", " "))
    words = plain.replace("-", " ").replace("_", " ").split()
    return " ".join(words[1:] if words[:1] == ["the"] else words)


def _name_of(code: str) -> str:
    return next(line[7:] for line in _TABLE.strip().splitlines() if line.startswith(code))
