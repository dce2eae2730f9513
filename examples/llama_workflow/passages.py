"""What the workflow knows: a few passages about rivers."""

PASSAGES = {
    "Elbe": "The Elbe rises in the Giant Mountains and flows by Dresden and Hamburg to the North Sea.",
    "Elbe, length": "The Elbe is 1,094 kilometres long; about 940 of them are navigable.",
    "Alster": "The Alster forms two lakes in the middle of Hamburg before it flows into the Elbe.",
    "Bille": "The Bille is a small river that reaches the Elbe in the east of Hamburg.",
    "Hamburg, harbour": "Hamburg's harbour is 110 kilometres from the sea, and has tides of over 3 metres.",
    "Weser": "The Weser begins where Werra and Fulda meet, and flows through Bremen to the North Sea.",
    "Rhine": "The Rhine rises in the Swiss Alps and reaches the North Sea at Rotterdam.",
    "Danube": "The Danube rises in the Black Forest and flows through Vienna and Budapest to the Black Sea.",
    "Oder": "The Oder rises in Czechia, and forms part of the border between Germany and Poland.",
    "Spree": "The Spree flows through Berlin and joins the Havel in Spandau.",
    "Havel": "The Havel flows through the lakes of Brandenburg and reaches the Elbe below Havelberg.",
    "Isar": "The Isar rises in the Alps and flows through Munich to the Danube.",
}
"""Each passage by its title."""
