"""Frames of the varied labelled text: what people write around personal data, {SLOT} for each piece of it.

`TUNING` may be read when a rule is mended. `HELD_OUT` is for figures alone: nobody looks at what is missed
there. A line is one frame; "\\n" in it is a line break.
"""

from __future__ import annotations


def _frames(text: str) -> tuple[str, ...]:
    return tuple(line.replace("\\n", "\n") for line in text.strip().splitlines() if not line.startswith("#"))


TUNING = _frames(r"""
# sentences
My name is {PERSON} and I would like to change my address to {STREET}, {CITY}.
{PERSON} lives at {STREET}, {CITY}, {COUNTRY}.
I'm {FIRST}, {AGE} years old, from {CITY}.
Could you please send the invoice to {EMAIL}? My number is {PHONE} if anything is unclear.
{TITLE} {LAST} asked whether {ORG} would refund the {AGE}-year-old's ticket.
We met {PERSON} and {PERSON} at the {ORG} office in {CITY} on {DATE}.
The card {CARD} belongs to {PERSON}.
Charge it to my card: {CARD}, thanks
Please transfer the money to {IBAN} before {DATE}
{FIRST} said that {LAST} had already left {COUNTRY}.
A {NRP} colleague of mine, {PERSON}, moved to {CITY} last year.
Who is {PERSON}, and why does {ORG} write to me?
is {FIRST} still working for {ORG}?
{PERSON} ({AGE}) was seen near {STREET}.
How do I get from {STREET} to {STREET}?
The server at {IP} was last used by {EMAIL}.
See {URL} for the full report by {PERSON}.
My SSN is {SSN}, my date of birth {DOB}.
I was born on {DOB} in {CITY}, {COUNTRY}.
The {NRP} government answered on {DATE}.
My driver's license number is {LICENSE} and my passport number is {PASSPORT}
{ORG} has hired {PERSON} as its new director.
{PERSON}'s account at {ORG} was closed on {DATE}.
Call me at {PHONE} or {PHONE}, ask for {FIRST}.
I spoke to {TITLE} {PERSON} about it at {TIME}
what is the zip code of {CITY}? is it {ZIP}?
My zip code is {ZIP}.
{TITLE} {PERSON} turned {AGE} on {DATE}.
The patient, a {AGE} year old {NRP} woman, was brought in by {PERSON}.
They named the boy {FIRST}; the girl is called {FIRST}.
{LAST} v. {LAST} was decided on {DATE}.
As {LAST} wrote, nobody in {CITY} believed it.
I want to cancel my subscription, {PERSON}, {STREET}, {ZIP} {CITY}
Please tell {FIRST} that {FIRST} called from {PHONE}.
Have you heard from {PERSON} lately? Last I heard, {FIRST} was in {COUNTRY}.
{PERSON}, {PERSON} and {PERSON} are on the list.
{ORG} is located at {STREET}, {CITY} {ZIP}
What are the opening hours of {ORG} in {CITY}?
I would like to book a flight from {CITY} to {CITY} on {DATE} at {TIME}.
You can reach my lawyer, {PERSON} of {ORG}, under {PHONE}.
my husband {FIRST} and my daughter {FIRST} ({AGE}) live with me at {STREET}
Deposit the check to account {ACCOUNT}, routing {ROUTING}.
our employer id is {EIN}, itin {ITIN}
# letters
Dear {TITLE} {LAST},\n\nthanks. Your address is now {STREET}, {CITY}.\n\nYours truly,\n{PERSON}\n{ORG}
{PERSON}\n{STREET}\n{CITY} {ZIP}\n{COUNTRY}\n\n{DATE}\n\nDear {PERSON},\nhere is the contract.\n\nBest,\n{FIRST}
{ORG}\n{STREET}\n{ZIP} {CITY}\n\nTo whom it may concern,\n{PERSON}, born {DOB}, works here.\n\nRegards\n{TITLE} {PERSON}
Hi {FIRST},\n\ncan you forward this to {PERSON}? Her new mail is {EMAIL}.\n\nCheers\n{FIRST}
Hello {PERSON},\nYour order will be sent to:\n{PERSON}\n{STREET}\n{CITY}, {ZIP}\n{COUNTRY}\nQuestions? Call {PHONE}.
# forms and tables
Name: {PERSON}\nAddress: {STREET}\nCity: {CITY}\nPostal code: {ZIP}\nCountry: {COUNTRY}\nPhone: {PHONE}\nE-mail: {EMAIL}
First name: {FIRST}\nLast name: {LAST}\nDate of birth: {DOB}\nNationality: {NRP}\nSSN: {SSN}
Full Name | Age | City | Employer\n{PERSON} | {AGE} | {CITY} | {ORG}\n{PERSON} | {AGE} | {CITY} | {ORG}
name,email,phone,zip\n{PERSON},{EMAIL},{PHONE},{ZIP}
PATIENT: {PERSON}  DOB: {DOB}  AGE: {AGE}  TEL: {PHONE}
Surname {LAST}; given name {FIRST}; place of birth {CITY}
Employer: {ORG}\nEIN: {EIN}\nEmployee: {PERSON}\nTitle: {TITLE}
Account holder: {PERSON}\nIBAN: {IBAN}\nBank: {ORG}
Contact: {PERSON} <{EMAIL}>
{"customer": "{PERSON}", "city": "{CITY}", "ip": "{IP}"}
- {PERSON}, {PHONE}\n- {PERSON}, {PHONE}\n- {PERSON}, {PHONE}
# chat
[{TIME}] {FIRST}: hey, are you in {CITY} yet?\n[{TIME}] {FIRST}: no, still with {PERSON}
Agent: Good morning, who am I speaking with?\nCustomer: {PERSON}.\nAgent: And your address?\nCustomer: {STREET}, {CITY}.
hey its {FIRST} from {ORG}, call me on {PHONE}
lol {FIRST} just moved to {CITY}
yo {FIRST}, whats ur email? mine is {EMAIL}
{FIRST}: my card ending got stolen, the full number is {CARD}
thx {FIRST}!! see u {DATE} at {TIME}
@support my name is {PERSON}, order sent to {CITY} instead of {CITY}
# notes and logs
{DATE} - Spoke with {PERSON}; wants callback at {PHONE}.
Pt {PERSON}, {AGE}yo, seen by {TITLE} {LAST}. Lives in {CITY} with son {FIRST}.
{DATE} {TIME} INFO login user={EMAIL} ip={IP}
re: {PERSON} / {ORG} - docs received {DATE}, passport {PASSPORT}
Mtg w/ {PERSON} ({ORG}) re lease of {STREET}. Next: {DATE}.
Witness {PERSON}, aged {AGE}, of {STREET}, {CITY}, stated that {TITLE} {LAST} had been at home.
Ship to: {PERSON}, {STREET}, {CITY}, {COUNTRY} {ZIP}
{TITLE} {PERSON} examined the {AGE}-year-old from {CITY}.
the {NRP} restaurant on {STREET} belongs to {LAST}
{FIRST} and {FIRST} {LAST} of {CITY} have three children.
Please cancel {TITLE} {LAST}'s appointment at {TIME}, {DATE}.
{PERSON} wrote at {URL} that {ORG} owes {COUNTRY} money.
""")

HELD_OUT = _frames(r"""
# sentences
Is {PERSON} a customer of {ORG}?
I bought it from {ORG}, and {FIRST} delivered it to {STREET}.
When {PERSON} arrived in {CITY}, {LAST} had been waiting for an hour.
You should ask {FIRST} {LAST}; she knows {COUNTRY} well.
My new address: {STREET}, {ZIP} {CITY}, {COUNTRY}.
please change my phone number from {PHONE} to {PHONE}
The meeting with {TITLE} {LAST} is moved to {DATE}, {TIME}.
I am {AGE} and my wife {FIRST} is {AGE} years old.
My credit card {CARD} was charged twice by {ORG}.
Kindly wire the amount to my account {IBAN}.
{PERSON} was appointed to the board of {ORG} in {CITY}.
Does {TITLE} {PERSON} live on {STREET}?
Most {NRP} students in {CITY} come from {COUNTRY}.
They stayed with {FIRST}'s parents in {CITY} until {DATE}.
the report by {PERSON} and {PERSON} mentions {COUNTRY}
Write to {EMAIL} or visit {URL}.
her ssn is {SSN} and she was born {DOB}
The request came from {IP} ({CITY}).
License {LICENSE} was issued to {PERSON}: driver's license number {LICENSE}.
Passport no. {PASSPORT}, holder {PERSON}, {NRP}
According to {LAST}, the shop at {STREET} opens at {TIME}.
Our teacher, {TITLE} {LAST}, is {NRP}.
Nobody at {ORG} remembers {PERSON}.
{PERSON} owes {PERSON} an apology.
My grandmother {PERSON} died at the age of {AGE} in {CITY}.
# letters
{TITLE} {PERSON}\n{ORG}\n{STREET}\n{CITY}\n{ZIP}\n\nDear {TITLE} {LAST}:\n\nwe met on {DATE}.\n\nRegards,\n{PERSON}
Hey {FIRST},\nquick one: what was {LAST}'s number again? I have {PHONE}.\nThanks, {FIRST}
{DATE}\n\n{ORG}\nAttn: {PERSON}\n{STREET}, {CITY} {ZIP}\n\nGentlemen:\nour client {PERSON} demands payment.
# forms and tables
Customer {PERSON}\nTel. {PHONE}\nStreet {STREET}\nTown {CITY}\nPostcode {ZIP}
Applicant: {LAST}, {FIRST}\nAge: {AGE}\nCitizenship: {COUNTRY}\nEmployer: {ORG}
id;name;city;born\n17;{PERSON};{CITY};{DOB}
Beneficiary: {PERSON} / Account number: {ACCOUNT} / Routing number: {ROUTING}
{PERSON}\t{EMAIL}\t{PHONE}\t{CITY}
Guest: {TITLE} {PERSON}, room 12, arriving {DATE} {TIME}, from {COUNTRY}
# chat and notes
{FIRST}: did {PERSON} pay?\n{FIRST}: yes, from {ORG}, on {DATE}
omg {FIRST} is {AGE} now!!
pls deliver 2 {STREET}, {CITY}. ask 4 {FIRST}
tell {TITLE} {LAST} im late, im at {STREET}
Called {PERSON} ({PHONE}), no answer. Left message w/ {FIRST}.
WARN failed login for {EMAIL} from {IP} at {TIME}
Interview w. {PERSON}, {AGE}, {NRP}, lives in {CITY}; formerly {ORG}.
{LAST} {FIRST}, {STREET}, {CITY}: parcel returned {DATE}
Tax file of {PERSON}: ITIN {ITIN}, EIN of employer {EIN}
Sister {FIRST} in {COUNTRY}; brother {FIRST} {LAST} at {ORG}.
""")
