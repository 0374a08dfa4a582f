"""Frames of the longitudinal axis: what a text says of speed, distance and priority.

Names in capitals are not yet decisions: what slowing, stopping, waiting or speeding up is called depends on what it is
for, which `purposes.py` reads off the rest of the text.
"""
# ruff: noqa: E501  one frame a line: a pattern broken over lines is harder to read than a long one
# fmt: off

from __future__ import annotations

from .frames import AMOUNT, GAP, SPEED, VEHICLE, FrameBook, frame

SLOWING, STOPPING, WAITING, GAINING, STARTING = "SLOWING", "STOPPING", "WAITING", "GAINING", "STARTING"
ADAPTING, DROPPING_BACK, MATCHING = "ADAPTING", "DROPPING_BACK", "MATCHING"
PASSING, SEARCHING, OPENING = "PASSING", "SEARCHING", "OPENING"

_HOLD = "keep hold maintain preserve retain sustain stay remain carry leave stick"
_STILL = r"(?:stopped|stationary|halted|still|motionless|waiting|parked|at (?:a |the )?(?:full |complete )?(?:standstill|rest|halt|stop))"
_LESS = "reduce lower decrease drop cut shed scrub trim bleed moderate lessen dial bring take pull shave lose halve soften slacken curb limit restrict ease keep get hold come let throttle knock"
_DISTANCE = r"(?:distances?|gap|headway|spacing|separation|buffer|cushion|clearance|car lengths?|following|interval|safety margin|(?:\w+ )?seconds? (?:behind|from|off|to)|\d+(?:\.\d+)? ?(?:s|m|metres?|meters?) (?:to|behind|from|off|back|between))"
_AWAY = r"(?! (?:to|from) (?:the |any |all )?(?:parked|left|right|curb|kerb|line|edge|side|median|wall|barrier|cones|cyclist on the|oncoming))"
_AGENT = rf"(?:{VEHICLE}|traffic|queue|lead|leader|leading|preceding|tractor|motorcycles?|motorbikes?|moped|scooter|cyclists?|bicycles?|bike|taxi|cab|tram|coach|caravan|trailer|convoy|it|them|him|her|one|suv|pickup|pick up|sedan|hatchback|limousine|tanker|rider|column|line of cars|platoon|flow|minibus|camper|jeep|wagon|hearse|ambulance|transporter|combine|horse box|float|mixer|streetcar)"

LONGITUDINAL = FrameBook([
    # Of verbs that are in no list.
    frame("gap_searching", "?", rf"\b(?:for|into|to find|between) (?:a|an|the|any|some|another) (?:\w+ ){{0,3}}?{GAP}\b(?! to)"),
    frame("yield", "?", r"\b(?:way|priority|precedence|right of way) to\b"),
    frame("GAINING", "?", rf"\b{SPEED} (?:up|back up|again)\b|\bmore {SPEED}\b|\bback up to (?:\w+ ){{0,3}}?(?:{SPEED}|{AMOUNT})|^ (?:back )?up to (?:\w+ )?(?:{SPEED}|{AMOUNT})"),
    frame("SLOWING", "?", rf"\b(?:{SPEED}|\d+ ?km/h) (?:down|off|back)\b|\bless {SPEED}\b|^ (?:back )?down to (?:\w+ )?{AMOUNT}|\b(?:off|from) (?:the|our) {SPEED}\b"),
    frame("set_speed_tracking", "?", rf"\b(?:steady|constant|same|current|unchanged|set|present) (?:\w+ )?{SPEED}\b|^ back to (?:\w+ ){{0,3}}?(?:{SPEED}|{AMOUNT})"),
    frame("passing_acceleration", "?", r"\b(?:the|an) overtak(?:e|ing)\b|\bfor overtaking\b"),
    frame("PASSING", "?", r"^ (?:past|by)\b"),
    frame("STOPPING", "?", r"\bto (?:a|an) (?:\w+ )?(?:stop|halt|standstill)\b|\bto rest\b"),
    frame("lead_obstacle_following", "?", r"\b(?:distance|headway|following gap|gap) (?:to|from|behind|of \d+)\b|^ (?:in )?behind (?:the|it|that|this) ?(?!line|barrier|sign)"),
    # Give way.
    frame("yield", "yield", r""),
    frame("yield", "give leave allow grant", r"\b(?:chance|opportunity|room|time) (?:to|of) (?:\w+ )?\w+"),
    frame("yield", "give cede concede grant", r"\b(?:way|priority|precedence|right of way|the right of passage)\b"),
    frame("yield", "defer", r"^ to\b"),
    frame("lead_obstacle_following", "let", r"\b(?:gap|distance|headway|spacing)\b.*\b(?:grow|open|increase|widen|lengthen|expand|build)\b"),
    frame("OPENING", "let", r"^ it (?:\w+ )?(?:grow|open|increase|widen|lengthen|build)\b"),
    frame("lead_obstacle_following", "let", r"^ the (?:lead|leader)(?: \w+)? (?:go|get away|drive|run)\b"),
    frame("lead_obstacle_following", "let", r"^ (?:the )?(?:lead|leader|(?:\w+ ){1,2}(?:ahead|in front)|it)(?: \w+)? (?:pull|get|go|draw|move|drive|run|slip) (?:further |farther |well |a bit |a little |on )?(?:away|ahead|off|clear)\b"),
    frame("gap_searching", "let", r"\b(?:gap|hole|opening|slot)\b"),
    frame("SLOWING", "let", r"^ (?:the|our|my) (?:car|vehicle|speed|ego) (?:coast|slow|roll out|drop|fall|bleed|decay|sink|come down|ease)"),
    frame("set_speed_tracking", "let", r"^ (?:the|our|my) (?:car|vehicle|speed|ego) (?:roll|run|rise|climb|build|cruise)"),
    frame("", "let allow", r"^ (?:the |our |a |my )?(?:passengers?|driver get|rider|us|me|ego|customer|guest)\b"),
    frame("yield", "let allow", r"\b(?:go|cross|pass|through|by|past|out|in|into|merge|enter|first|ahead|finish|clear|proceed|come|turn|have|walk|over|leave|complete|exit|join|move|overtake|squeeze|get|slot|filter|reach|step|swim|waddle|waddling|take|make|up)\b"),
    frame("yield", "give leave make allow", r"\b(?:room|space|time|chance) to (?:merge|join|enter|get in|pull (?:in|out)|come in|cut in|move (?:in|over)|slot in|cross|go|finish)\b"),
    frame("yield", "make leave create open", r"\b(?:room|space|way|a gap|the gap|gap) for (?!.*\b(?:cyclist|bike|parked|door|crew|workers?)\b).*(?:merg\w*|enter\w*|join\w*|pull\w*|emerg\w*|ambulance|fire engine|siren)"),
    frame("yield", "make", r"^ way\b"),
    # Gaps.
    frame("gap_searching", "fit squeeze slot", r"^ in(?:to)? between\b|^ between (?:the|two|a)\b"),
    frame("gap_searching", "time", r"^ (?:the|our|my|its) (?:approach|arrival|merge|entry|lane change|move|merging|speed|pace)\b"),
    frame("gap_searching", "check look search hunt seek find pick choose spot select scan watch aim wait probe identify time target use take catch make hover line slot slip squeeze drop fit settle fall head reach await merge match", rf"(?:^ |\b(?:a|an|the|any|next|suitable|for|in|into|to|behind|our|that|this|up with|beside|between|right|safe|usable|another) )(?:\w+ ){{0,4}}?{GAP}\b(?! (?:to|of) (?:the )?(?:lead|car ahead|car in front|vehicle|line|parked))(?! between us and)"),
    frame("gap_searching", "fit squeeze slot", r"^ in(?:to)? between\b|^ between (?:the|two|a)\b"),
    frame("gap_searching", "time", r"^ (?:the|our|my|its) (?:approach|arrival|merge|entry|lane change|move|merging|speed|pace)\b"),
    frame("SEARCHING", "look search hunt wait seek scan", r"^(?: (?:for (?:one|it|another)|further|on|again))?$"),
    frame("gap_searching", "look search hunt seek find wait watch scan", r"\b(?:room|space|chance|opportunity|somewhere|break|place|a way in) (?:\w+ ){0,4}?(?:to (?:get|move|merge|change|cut|slot|join|slip|go|squeeze|fit|shift|switch|cross over)|in (?:the|that) (?:\w+ )?(?:lane|traffic|flow|stream)|between|behind the|ahead of the)"),
    frame("gap_searching", "let wait", r"\buntil (?:there is|a|the|some|enough) (?:\w+ ){0,3}?(?:gap|room|space|opening|hole|slot)\b"),
    # Behind others.
    frame("", "drop", r"^ (?:off|the (?:\w+ )?off)\b"),
    frame("STOPPING", "stay remain keep stand hold sit", rf"^(?: \w+ly)? {_STILL}(?! in (?:the|our|lane))\b(?!.*\blane\b)"),
    frame("STOPPING", "stay remain", r"^ put(?!.* lane)\b|^ (?:at|behind|before|short of) (?:the |this )?(?:stop |limit |give way |white )?(?:line|lights?|signal|barrier|gate|sign|crossing)\b"),
    frame("DROPPING_BACK", "hold hang keep stay drop fall ease stand sit remain back", r"^(?: \w+ly| well| slightly| further| a (?:little|bit|touch|few \w+))*(?: back\b(?! (?:to|into|in) the (?:left|right|slow|other|adjacent))| off (?:from )?(?:it|the(?! gas| throttle| accelerator| pedal| power| brakes?)|that|this)\b)(?! (?:in|into|to (?:\d|the (?:lane|cent)))\b)"),
    frame("lead_obstacle_following", f"{_HOLD} sit hang tuck fall drop slot queue line get settle slide file move trundle crawl creep ride drive cruise roll travel follow proceed go run trail continue", r"^(?!.*\b(?:left|right|adjacent|next|other|passing|over|across)\b.*\blane\b)(?: \w+)*? (?:behind|in line with|in the wake of) (?!(?:the |this |that )?(?:stop |limit |give way |white )?(?:line|lights?|signal|barrier|gate|sign|crossing)\b)(?:us|the|it|that|this|a|an|him|her|them|our|any|whoever|\w+)\b(?<!behind us)"),
    frame("lead_obstacle_following", "follow trail tail shadow track pursue escort", rf"(?=.*\b{_AGENT}\b|.*\bbehind\b|.*\bdistance\b|.*\bheadway\b|^(?:$| (?:with|at|along|on|closely|from)\b))^(?! (?:the |our |a |this |that |its )?(?:\w+ )?(?:lane|road|route|curve|bend|street|path|markings|cent(?:er|re)|signs?|detour|diversion|arrows?|navigation|branch|fork|ramp|exit|curvature|lines?|course|contour)\b)"),
    frame("lead_obstacle_following", "match copy mirror adopt synchronise synchronize", rf"^(?=.*\b(?:{SPEED}|flow|behaviou?r)\b)(?=.*(?:\b{_AGENT}\b|\bof\b|'s\b|\btheir\b|\bits\b))|^ {_AGENT}\b|^ the (?:\w+ )?{_AGENT}\b|^ its\b|^ (?:with )?(?:the )?(?:traffic|flow)"),
    frame("MATCHING", "adapt adjust align set regulate tune modulate vary tailor fit tie bring keep get", rf"^(?!.*\b(?:gap|slot|opening|hole|space)\b)(?=.*{SPEED}).*\b(?:to|with|of|like|as|on) (?:that of |match |suit |the (?:speed|pace) of )?(?:the |that |a |this |our |its |those )?(?:slow(?:er|ly)? |moving |cars? |vehicles? |\w+ )?{_AGENT}\b|^ (?:to|with) (?:the |that |its |their )?(?:\w+ ){{0,2}}?{_AGENT}(?:'s)?\b|^ to (?:its|their|his|her) (?:speed|pace)"),
    frame("lead_obstacle_following", f"{_HOLD} increase open extend restore widen grow lengthen enlarge stretch build regain allow give ensure adjust set get put add make create drop settle regulate control respect have want need", rf"^(?!.*\b(?:lateral|side|sideways|passing|left|right) ?(?:hand )?(?:clearance|distance|gap|buffer|space)\b)(?!.*\b(?:clearance|room)\b)(?!.*\bspeed\b.*\bgap\b).*\b{_DISTANCE}{_AWAY}(?! (?:for|in) (?:the )?(?:merge|lane|merging|next lane|left|right))"),
    frame("lead_obstacle_following", "mind watch respect", r"\b(?:gap|distance|headway)\b"),
    frame("lead_obstacle_following", "leave keep give maintain allow hold", r"\b(?:room|space|metres|meters|m|seconds|car lengths?)\b.*(?:\bahead\b|\bin front\b|\bto the (?:car|vehicle|truck|bus|lead|one)\b|\bbehind\b|\blead\b|\bto (?:stop|brake|react)\b|\bbetween us\b)"),
    frame("lead_obstacle_following", "leave", r"^ (?:it|them|him|her|the (?:bus|truck|lorry|coach|trailer)) (?:\w+ )?(?:space|room)\b"),
    frame("lead_obstacle_following", "pull", r"^ (?:back )?in behind\b"),
    frame("lead_obstacle_following", "stay keep remain wait", r"^ in (?:the )?(?:queue|column|line of)\b|^(?: well)? behind$|^(?: well)? clear of .*\b(?:ahead|in front|lead)\b"),
    frame("passing_acceleration", "leave", rf"\b(?:{VEHICLE}|it|him) behind$"),
    frame("lead_obstacle_following", "keep catch hold maintain", r"^ (?:up|pace|step) with\b"),
    frame("DROPPING_BACK", "stay keep hang hold remain", r"^ (?:\w+ )?(?:a few|two|three|four|five|six|ten|\d+) (?:\w+ )?(?:metres?|meters?|m|lengths?|seconds?|s) (?:back|behind|away|off)\b"),
    frame("lead_obstacle_following", "close catch", r"^ (?:up|in on|the gap|the distance|to within|on)\b"),
    frame("lead_obstacle_following", "queue line join", r"^(?: up)?(?:$| (?:behind|at the (?:back|end|tail)|the (?:queue|back|tail|line of)|with the queue))"),
    # At rest.
    frame("STOPPING", "come bring roll brake slow decelerate ease coast get creep draw take glide make pull execute perform do", r"\bto (?:an? |the |our )?(?:\w+ ){0,3}?(?:stop|halt|standstill|rest|zero|0(?: km/h)?)\b(?! (?:sign|line))"),
    frame("STOPPING", "make take execute perform do", r"\b(?:an?|the) (?:(?!bus|tram)\w+ ){0,2}?(?:stop|halt)\b(?! (?:sign|line))"),
    frame("STOPPING", "brake slow decelerate", r"^(?: down| \w+ly)? (?:and|then|until) (?:\w+ly )?(?:stop|halt|we (?:stop|are stopped|stand))\b"),
    frame("", "stop", r"^ (?:\w+ing\b|the (?:lane|merg|man|nudg|overtak|mov|pass|chang|shift|turn|swerv)|this (?:lane|merg|man|mov)|our (?:lane|mov)|short(?: of)? \w+ing)"),
    frame("STOPPING", "stop halt", r""),
    frame("STOPPING", "pull draw", r"^ up\b(?!.*\b(?:kerb|curb|shoulder|roadside|side of|bay)\b)"),
    frame("STOPPING", "hold", r"^(?: (?:the |our |my )?(?:position|here|there|still|fast|firm|brakes?|on the brakes?|short|now|first|steady))*(?:$| (?:at(?! (?:\w+ ){0,2}?(?:\d|speed|pace))|before|in front of|short of|until|till|for|while|here|behind the (?:line|stop|limit)|and|on(?: the line)?)\b)(?! (?:\d|a|the) ?(?:\w+ )?(?:km/h|kph|mph))|^ (?:the|our|my|this) (?:position|car|vehicle|brakes?)\b"),
    frame("STOPPING", "keep hold leave", r"\bbrakes? (?:on|applied|pressed|engaged)\b|\bfoot on the brake\b"),
    frame("STOPPING", "set put", r"\b(?:the|our|my) (?:car|vehicle) down\b"),
    frame("STOPPING", "set put bring park settle rest", r"\b(?:the|our|my) (?:car|vehicle) (?:still|at rest|to (?:a )?(?:stop|rest|halt))\b"),
    frame("STOPPING", "come", r"^ to (?:rest|a)\b"),
    frame("WAITING", "wait pause await delay hesitate", r""),
    frame("STOPPING", "stand", r"^(?: still| at| here| before| behind the (?:line|stop)| until| and|$)"),
    # Less speed.
    frame("SLOWING", "decelerate coast slow brake", r"^(?! aside)"),
    frame("SLOWING", "crawl creep", r"^(?!.*\b(?:left|right|sideways|over to)(?:wards?)?\b)(?! forward| up to| into| out)"),
    frame("", "drop", r"^ (?:off|(?:\w+ ){1,3}off)\b"),
    frame("SLOWING", "take lift get keep", r"\b(?:foot|feet) off\b|\boff (?:the )?(?:gas|throttle|accelerator)\b"),
    frame("SLOWING", "lift", r"^(?: off| (?:the|my|our) (?:foot|throttle|accelerator|gas)|$)"),
    frame("SLOWING", "speed", r"^ down\b"),
    frame("SLOWING", "reduce", r"^$"),
    frame("SLOWING", "ease", r"^ (?:through|past|over|into|across|along)\b(?!.*\b(?:lane|line|left|right|shoulder|bay)\b)"),
    frame("SLOWING", "bring", rf"\bdown to (?:an? )?(?:\w+ )?(?:{SPEED}|{AMOUNT})"),
    frame("SLOWING", "ease", rf"^ (?:down )?to (?:\w+ )?{AMOUNT}"),
    frame("SLOWING", "dial wind scale throttle", r"\bback\b"),
    frame("STOPPING", "go drop fall come", r"^ (?:down )?to (?:zero|0)\b"),
    frame("SLOWING", "ease", r"^(?:$|(?: \w+ly| slightly| a (?:bit|little|touch))?(?: (?:off|up|back|down|on the brakes?|onto the brakes?|the brakes?|(?:the|our|my) (?:throttle|gas|pace|speed|accelerator)|speed|pace))\b)(?! (?:to the|left|right))"),
    frame("SLOWING", "back", r"^ off\b"),
    frame("SLOWING", "keep take", r"^ (?:it|things) (?:slow|slowly|gentle|easy|down|steady)\b"),
    frame("SLOWING", "knock take", r"\b(?:off|back)\b.*\b(?:speed|km/h|kph|mph)|\b\d+ ?(?:km/h|kph|mph) off\b"),
    frame("SLOWING", "throttle dial gear shift change", r"^ (?:back|down)(?:$| (?:a|for|to|on|the|before|in|speed|our|as|through)\b)(?!.*\blane\b)"),
    frame("SLOWING", "come get drop go", r"^(?: back| on)? (?:off the (?:gas|throttle|accelerator|power|pedal)|(?:right )?down(?: in speed| a (?:bit|little|gear))?(?: to | from |$| in | by | for | before ).*|slow(?:er|ly)?\b|easy|gently|with (?:care|caution)|carefully)"),
    frame("SLOWING", _LESS, rf"^(?!.*\b(?:up|back to (?:the )?(?:limit|normal|set|cruis))\b).*\b(?:{SPEED} (?:down|low|off|out|back(?! up| to)|modest|reduced|below|under)|(?:down|off|out|back) (?:\w+ ){{0,3}}?{SPEED}|down (?:a bit )?to )"),
    frame("SLOWING", "reduce lower decrease drop cut shed scrub trim bleed moderate lessen shave lose halve soften slacken curb limit restrict knock temper tame check cap taper", rf"\b(?:{SPEED}|walking|crawl|throttle|gas|power|(?:to|by|below|under) (?:\w+ ){{0,2}}?{AMOUNT})\b"),
    frame("", "roll creep drive move", r"^(?: \w+ly| slowly)? up to (?:the )?(?:\w+ )?(?:line|lights?|signal|barrier|crossing|junction|sign)\b"),
    frame("SLOWING", "take approach enter negotiate navigate drive pass round cross go roll proceed creep move handle travel cruise do traverse continue ride steer follow run head turn", rf"\b(?:slowly|slower|gently|(?<!no )carefully|cautiously|gingerly|it (?:easy|slow|gently|steady)|at (?:an? )?(?:reduced|low|lower|slow|slower|walking|crawling|gentle|modest|snail's|careful|cautious|moderate|suitable|safe) (?:speed|pace)|at no more than|at (?:most|a crawl)|with (?:care|caution|reduced speed|less speed|extra care)|below (?:the )?{AMOUNT}|under (?:the )?{AMOUNT})\b"),
    frame("SLOWING", "take enter approach negotiate round handle", rf"^(?! (?:the |a )?(?:exit|lane|left|right|second|first|third|next)).*\b(?:bend|curve|corner|hairpin|roundabout|hump|bump|tunnel|bridge|junction|crossing|zone|section|stretch|crest|chicane|dip|works|village|turn|ramp|connector|slope|descent) (?:\w+ )?(?:at|with) (?:only |just |about |around |a (?:\w+ )?)?{AMOUNT}"),
    frame("set_speed_tracking", "set fix", rf"^ (?:the |our |ego )?{SPEED} (?:to|at) (?:\w+ )?{AMOUNT}"),
    frame("set_speed_tracking", "set fix", r"\b(?:cruise|cruising|target|set) (?:control|speed)\b"),
    frame("ADAPTING", "adapt adjust moderate regulate modulate match tune fit suit vary tailor control watch mind align", rf"\b{SPEED}\b|^ to (?:{AMOUNT}|the (?:\w+ )?(?:conditions?|surface|road|weather|bend|curve|limit|visibility|fog|snow|rain|ice|zone))"),
    frame("SLOWING", "use apply squeeze tap touch press feather", r"\b(?:brakes?|brake pedal|engine braking)\b"),
    # Passing.
    frame("passing_acceleration", "overtake leapfrog", r""),
    frame("passing_acceleration", "finish complete continue end", r"\b(?:overtak\w+|passing|pass)\b(?! (?:lane|place|zone))"),
    frame("PASSING", "pass", r"^(?! (?:through|under|over|along|between|in|into|behind|across|on|up)\b)"),
    frame("PASSING", "get go move drive push power sail accelerate come ease press speed roll pull sweep run slip squeeze creep edge steer dash head shoot blow step glide swing travel put make continue take", r"^(?!.*\b(?:see|look|view)\b)(?: \w+)*? (?:past|(?<!lay )(?<!ed )(?<!en )by|in front of|ahead of|clear of)\b(?! (?:a|half|about|\d+|some|one|two|a few|roughly|the (?:centre|center|line|markings|edge|left line|right line|left marking|right marking)) ?(?:metres?|meters?|m/s|km/h|mph|m|a|of|car|touch|little|line)?)(?! (?:the )?(?:left|right)? ?(?:line|marking|limit))"),
    # More speed.
    frame("GAINING", "accelerate hurry", r""),
    frame("GAINING", "speed", r"^(?: back)? (?:up|along|on|away)\b"),
    frame("GAINING", "gain gather pick increase raise lift build put add restore bring get take step open go come turn push let work wind up", rf"^(?! up (?:to the )?(?:line|gap|curb|kerb)).*\b(?:(?:up|back|on|more|higher|extra|some|full|the|our|my|a|in|\w+) ){{0,3}}?(?:{SPEED}|(?:on|the) (?:gas|throttle|accelerator)|power)\b(?! (?:down|low|off|of|limit sign|bump|hump))(?! hump)|^ on it\b|\bup (?:again )?to (?:\w+ ){{0,4}}?{AMOUNT}|^ (?:(?:a (?:bit|little)|slightly|somewhat) )?(?:faster|quicker)"),
    frame("GAINING", "kick", r"^ (?:down|on)\b"),
    frame("GAINING", "keep hold leave", r"\b(?:throttle|gas|accelerator) (?:open|down|pressed|on)\b|\bfoot down\b"),
    frame("GAINING", "put", r"^ (?:on (?:speed|a burst|some speed|a spurt)|(?:the|our|your|my) foot (?:down|on)|more speed|down more power)"),
    frame("GAINING", "apply use give add", r"\b(?:throttle|gas|power|acceleration|more speed)\b"),
    # Own speed.
    frame("set_speed_tracking", "resume regain restore return recover reach track settle regulate go come get back revert", rf"^(?! (?:the |a )?(?:gap|lane|curb|address)).*\b(?:{SPEED}|{AMOUNT}|driving|travel|trip|journey)\b(?! of the (?:lead|car|truck|bus|vehicle))(?! hump| bump)"),
    frame("set_speed_tracking", f"{_HOLD} continue proceed set run fix", rf"^(?! (?:to|for|back|clear|off|out)\b(?! (?:\w+ ){{0,2}}?(?:set|target|cruis\w*|speed|limit|\d))).*(?:\b{SPEED}\b|(?:^ |at |the |our |a |posted |my |steady |constant |to |of |on |with )(?:\w+ )?{AMOUNT}(?:$| ?(?:km/h|kph|mph|m/s|kmh)|(?= (?:in|on|through|over|for|since|with|and|past|here|along|until|as|within|across))))(?! (?:down|low|hump|bump))"),
    frame("set_speed_tracking", "cruise", r""),
    frame("set_speed_tracking", "change merge switch shift follow turn drive proceed take round pass cross go roll travel negotiate navigate enter move continue head run", rf"\b(?:at|with) (?:an? |the |our )?(?:steady|constant|unchanged|unaltered|same|current|present|set|cruising|posted|legal|normal|usual|target|full|existing|even|fixed|undiminished) (?:\w+ )?(?:{SPEED}|{AMOUNT}|\d+)\b|\bwithout (?:slowing|braking|changing speed|losing speed)"),
    frame("set_speed_tracking", "continue resume", r"^(?! (?:to|\w+ing)\b)(?!(?: \w+)* (?:straight|lane|on course|behind)\b(?!.*\b(?:at|with)\b))"),
    frame("", "go keep carry drive", rf"^ on straight\b|^ on (?:in|along|on) (?:\w+ ){{0,2}}?lane\b(?!.*\b(?:{SPEED}|{AMOUNT}))"),
    frame("set_speed_tracking", "carry press push keep drive roll travel go run move", rf"^ on\b(?! straight)(?! (?:to|onto|the (?:left|right|shoulder))\b)|^ (?:along|through)\b(?! (?:the )?(?:left|right))|^ (?:at|with) (?:\w+ ){{0,3}}?(?:{SPEED}|{AMOUNT})\b"),
    frame("STARTING", "set move pull drive start roll launch get go push head take", r"^(?: \w+ly| again| now)? (?:off|away|out(?= again)|going|moving|rolling|forward|under way|underway|started|on our way|driving)(?! (?:the|onto|into|from the (?:parked|curb|kerb|cyclist|workers?|edge|barrier|wall))\b)(?! to the (?:left|right))\b"),
    frame("STARTING", "depart", r""),
    frame("lead_obstacle_following", "go move roll creep drive", r"^(?: \w+)? with (?:it|him|her|them|the (?:car|bus|truck|lead|vehicle|queue|traffic|van))\b"),
    frame("STARTING", "roll move drive go get", r"^(?: again| now| off| away)+$"),
    frame("STARTING", "start launch restart", r"^(?:$| (?:from|on|when|as|up|again|now|smoothly|gently|at)\b)"),
    frame("set_speed_tracking", "proceed", r""),
    frame("STARTING", "go", r"^(?:$| (?:ahead|on|now|first|when|as|at|with|since|because|again|through (?:the )?(?:green|junction|intersection|crossing|lights?)|forward|before)\b)"),
    frame("set_speed_tracking", "cross clear", r"\b(?:junction|intersection|crossing|crossroads)\b"),
    frame("STARTING", "move", r"^(?:$| (?:as|when|now|again|with|since|because)\b)"),
    frame("set_speed_tracking", "roll drive travel", r"^(?: (?:on|ahead|forward|normally|as before|as usual)\b(?! straight)|$)"),
])
"""Frames in order of precedence; an empty name says that the words name no decision."""
