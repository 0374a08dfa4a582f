"""The phrases by which a text names causes, the critical components of Table 2: data for `cause_text.py`.

All patterns are for lower-case text. Where the words of two components overlap, `cause_text.EXCLUDES` decides.
"""
# ruff: noqa: E501  one rule a line: a pattern broken over lines is harder to read than a long one
# fmt: off

from __future__ import annotations

from .phrase_rule import phrase_rule as _rule

_VEHICLE = r"(?:vehicles?|cars?|trucks?|bus(?:es)?|vans?|motorcycles?|suvs?|lorr(?:y|ies)|pickups?|taxis?|tractors?|trailers?|motorbikes?|sedans?)"
_KIND = r"(?:(?:delivery|garbage|white|black|red|blue|silver|large|big|small|heavy|police|other|fast|faster|slower|approaching|passing|second)\s+)*"
_HEAVY = r"(?:truck|bus|tractor|lorry|trailer|van|garbage\s+truck|vehicle\s+convoy)"
_IS_SLOW = r"(?:is|drives|moves|driving|moving|travels|travell?ing|going)\s+(?:\w+\s+)?(?:slow(?:ly|er)?|below)\b"

COMPONENT_RULES = (
    _rule("cut_in_vehicle", "cut", rf"(?:\b{_VEHICLE}\b[^.;,]{{0,40}}?\bcut(?:s|ting)?\b|\bcut(?:s|ting)?[\s-]in(?:to)?\b)"),
    _rule("cut_in_vehicle", "merging merges changing changes moving moves entering enters encroach", rf"\b{_VEHICLE}\b[^.;,]{{0,30}}?\b(?:(?:merg(?:es|ing)|mov(?:es|ing)|chang(?:es|ing))\s+(?:lanes\s+)?(?:into|in\s+front)|enter(?:s|ing)\s+(?:our|my|the\s+ego|the\s+same)\s+lane|encroach\w*)|\bmerging\s+{_KIND}{_VEHICLE}\b"),
    _rule("parked_vehicle", "parked stalled broken disabled", r"\b(?:double-?\s?)?(?:parked|stalled|broken[\s-]down|disabled)\b"),
    _rule("parked_vehicle", "stopped stationary standing", rf"\b(?:stopped|stationary|standing)\s+{_KIND}(?!lead)(?:vehicle|car|truck|bus|van|taxi|lorry)\b(?!\s+(?:ahead|in\s+front))"),
    _rule("slow_vehicle", "slow", rf"\bslow(?:er)?(?:[\s-](?:moving|driving))?\s+{_KIND}{_VEHICLE}\b"),
    _rule("slow_vehicle", "slow", rf"\b{_HEAVY}\s+(?:\w+\s+){{0,3}}?{_IS_SLOW}"),
    _rule("oncoming_vehicle", "oncoming opposing opposite", rf"\b(?:oncoming|opposing)\b(?!\s+(?:\w+\s+)?lane)|\b(?:from|in)\s+the\s+opposite\s+direction\b|\boncoming\s+lane\s+{_VEHICLE}"),
    _rule("lead_vehicle", "lead preceding", rf"\b(?:lead|leading|preceding)\s+{_KIND}(?:{_VEHICLE}|traffic|one)\b|\bthe\s+lead(?:er)?\b(?!\s+to\b)"),
    _rule("lead_vehicle", "ahead front", rf"\b(?:queue\s+of\s+\w+\s+|queued\s+|stopped\s+)?(?<!parked )(?<!slow )(?<!slower )(?<!oncoming )(?<!crossing )(?<!moving )(?<!merging )(?:{_VEHICLE}|traffic|queue)\s+(?:directly\s+|right\s+|immediately\s+|just\s+|stopped\s+|braking\s+|slowing\s+)?(?:ahead|in\s+front)\b"),
    _rule("adjacent_vehicle", "lane", rf"\b{_VEHICLE}\b(?:\s+(?!ahead\b|cut|in\s+front)\w+){{0,4}}?\s+in\s+(?:the|that)\s+(?:left|right|adjacent|next|neighbou?ring|target|other)\s+lane\b"),
    _rule("adjacent_vehicle", "beside alongside blind adjacent next", rf"\b{_VEHICLE}\b(?:\s+\w+){{0,4}}?\s+(?:beside|alongside|next\s+to|in\s+(?:the|our|my)\s+blind\s+spot)|\badjacent\s+{_KIND}(?:{_VEHICLE}|traffic)\b|\b(?:beside|alongside)\s+(?:us|the\s+ego)\b"),
    _rule("cross_traffic", "cross perpendicular", rf"\bcross(?:ing)?[\s-]traffic\b|\bcrossing\s+{_KIND}{_VEHICLE}\b|\b(?:{_VEHICLE}|traffic)\s+(?:is\s+|are\s+)?(?:crossing|crosses|cross)\b|\bperpendicular\s+traffic\b"),
    _rule("pedestrian", "pedestrian person people child walker jogger", r"\b(?:pedestrians?(?!\s+(?:crossing\s*(?:$|[.,;]|ahead)|crosswalk|zone|light|signal))|person|people|child(?:ren)?|walkers?|joggers?)\b"),
    _rule("cyclist", "cycl bike biker", r"\b(?:bi)?cyclists?\b|\bbicycles?\b(?!\s+lane)|\bbikes?\b(?!\s+lane)|\bbikers?\b"),
    _rule("red_light", "red", r"\bred\s+(?:\w+\s+)?(?:light|signal)\b|\b(?:lights?|signals?)\b(?:\s+(?!green|yellow|amber)\w+){0,5}?\s+red\b"),
    _rule("yellow_light", "yellow amber", r"\b(?:yellow|amber)\s+(?:\w+\s+)?(?:light|signal)\b|\b(?:lights?|signals?)\b(?:\s+(?!green|red)\w+){0,5}?\s+(?:yellow|amber)\b"),
    _rule("green_light", "green", r"\bgreen\s+(?:\w+\s+)?(?:light|signal)\b|\b(?:lights?|signals?)\b(?:\s+(?!red|yellow|amber)\w+){0,5}?\s+green\b"),
    _rule("stop_sign", "sign", r"\bstop[\s-]signs?\b|\bsigns?\b(?:\s+\w+){0,3}\s+(?:says?|reads?|shows?|is\s+a)\s+stop\b"),
    _rule("yield_sign", "sign", r"\b(?:yield|give[\s-]way)[\s-]signs?\b"),
    _rule("construction", "construction work cone barrier barricade clos", r"\bconstruction\b|\b(?:road\s?|work\s?)(?:works?|zones?)\b|\bcones?\b|\bbarri(?:ers?|cades?)\b|\blanes?\s+(?:ahead\s+)?(?:is\s+)?clos(?:ed|ure)\b|\bclosed\s+lane\b"),
    _rule("speed_bump", "bump hump table cushion", r"\b(?:speed\s+)?(?:bumps?|humps?)\b|\bspeed\s+(?:tables?|cushions?)\b"),
    _rule("curve", "curv bend winding", r"\b(?:curves?|curvy|bends?|winding|curvature|curving)\b"),
    _rule("ending_lane", "lane", r"\blane\s+(?:(?:ahead|is|soon|here|will)\s+)*(?:ends|ending|end|drops)\b|\bending\s+lane\b|\blane\s+drop\b|\bend\s+of\s+(?:the|our|my)\s+(?:\w+\s+)?lane\b|\bruns?\s+out\s+of\s+lane\b"),
    _rule("clear_lane", "clear free open empty", r"\b(?:roads?|lanes?|path|way|gap|intersection|route\s+ahead|space|junction)\s+(?:(?:ahead|is|are|remains|stays|in|front|now|appears|looks|of|us|to|the|left|right)\s+)*(?:clear|free|open|empty)\b(?!\s+of\s+the)|\b(?:clear|free|open|empty)\s+(?:(?:left|right|straight|ego)\s+)?(?:roads?|lanes?|path|way)\b"),
    _rule("clear_lane", "no nothing", rf"\bno\s+(?:lead(?:ing)?\s+)?(?:{_VEHICLE}|traffic|obstacles?|lead|one)\s+(?:is\s+|are\s+)?(?:ahead|in\s+front|in\s+(?:the|our|my)\s+(?:lane|way|path)|blocks?)|\bno\s+lead\b|\bnothing\s+(?:is\s+)?(?:ahead|in\s+(?:the|our|my)\s+way|in\s+front)\b"),
    _rule("route_end", "destination drop pick route goal arriv", r"\bdestination\b|\bdrop-?off\b|\bpick-?up\s+(?:point|spot|location)\b|\b(?:route|trip|drive)\s+(?:ends|is\s+over|finishes)\b|\bend\s+of\s+(?:the|our|my)\s+(?:route|trip)\b|\bgoal\b"),
    _rule("route_lane", "route navigation exit lane", r"\b(?:route|navigation)\b[^.;,]{0,30}?\b(?:lane|exit|leaves|ramp|highway|fork|split)\b|\b(?:to|for)\s+(?:take\s+|reach\s+|get\s+to\s+)?the\s+(?:next\s+|upcoming\s+)?exit\b|\bto\s+(?:reach|get\s+into|be\s+in)\s+the\s+(?:\w+\s+)?lane\b"),
    _rule("route_turn", "route navigation turn", r"\b(?:route|navigation)\b(?:\s+(?!lane|needs|so\b|and\b|but\b|ends|pull|merge|change)\w+){0,5}?\s+(?:turns?|left|right|turning)\b(?!\s+lane)|\bturns?\s+(?:on|of|in)\s+(?:the|our|my)\s+route\b|\b(?:upcoming|planned)\s+(?:(?:left|right)\s+)?turn\b(?!\s+lane)|\bfor\s+the\s+(?:left|right)\s+turn\b(?!\s+lane)"),
    _rule("bad_weather", "rain snow fog ice icy wet slipper visibility glare storm weather mist", r"\b(?:rain(?:y|ing|fall)?|snow(?:y|ing|fall)?|fog(?:gy)?|ice|icy|wet|slippery|(?:low|poor|reduced)\s+visibility|glare|storm(?:y)?|weather|mist)\b"),
)
