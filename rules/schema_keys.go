package rules

import "reflect"

// keySpec is what an author is told of one key of a rule file: in schemas, and in the template of a new pack.
type keySpec struct {
	name string
	doc  string // one line
	form form   // of the value, or of each of its entries; nil follows from the Go type
	must bool   // a file without it has an error
}

// form is a JSON Schema.
type form = map[string]any

// keySpecs has every key of every structure of rule files, in the order of its fields. A test holds it against the types.
var keySpecs = map[reflect.Type][]keySpec{
	reflect.TypeFor[Pack](): {
		{"name", "How --rules and site files call the pack: small letters, digits, dots and hyphens.", pattern(nameForm), true},
		{"kind", "vendor: a product's own documentation; baseline: platform traffic; local: flows that a site has approved itself.", oneOf(kindWords), true},
		{"title", "What the pack describes, in words.", nil, true},
		{"product_version", "The version of the product that the documents are about.", nil, false},
		{"status", "draft: a program wrote the flows, or nobody has reviewed them yet, and every audit says so; remove it then.", oneOf(statusWords), false},
		{"documents", "The sources that flows cite.", nil, false},
		{"source_ranges", "Source ports that an operating system picks from, where the documents state them: windows, windows-pre-vista, linux or appliance with FIRST-LAST.", nil, false},
		{"roles", "The parts that hosts play. any, internet, broadcast and multicast exist without a declaration.", nil, false},
		{"conditions", "Facts about a deployment that a site turns on or off.", nil, false},
		{"flows", "What the documents say may be opened: one entry a row.", listed(), true},
	},
	reflect.TypeFor[Document](): {
		{"id", "By which citations name the document.", pattern(nameForm), true},
		{"title", "Its title.", nil, true},
		{"date", "Its date as the document states it; empty if it does not.", nil, false},
		{"file", "Its own file name; empty for a public source that is cited by section (an RFC, a vendor's page).", nil, false},
	},
	reflect.TypeFor[Role](): {
		{"name", "By which flows name the role, and site files as PACK/ROLE.", except(pattern(nameForm), reservedRoles), true},
		{"title", "What plays it.", nil, false},
		{"addresses", "Documented addresses and prefixes: they hold the role without a site's word.", pattern(addressForm), false},
		{"names", "Documented host names; *.example.com is every name below.", pattern(hostForm.String()), false},
	},
	reflect.TypeFor[Condition](): {
		{"name", "By which flows name the condition, and site files as PACK/CONDITION.", pattern(nameForm), true},
		{"title", "What is so where it is on.", nil, false},
		{"default", "on, off or unknown (also where left out): what holds until a site says otherwise.", oneOf(stateWords), false},
	},
	reflect.TypeFor[Flow](): {
		{"id", "By which reports and site files name the flow; keep it over versions.", pattern(nameForm), true},
		{"title", "What it is for.", nil, true},
		{"from", "Roles that open it.", distinct(), true},
		{"to", "Roles that answer.", distinct(), true},
		{"originator", "from (also where left out), or either: both sides may open it.", oneOf(originatorWords), false},
		{"proto", "tcp, udp, icmp (both versions), another protocol, any, or unstated where the document is silent.", oneOf(protoWords("any", "unstated")), true},
		{"ports", "Of the responder: numbers, FIRST-LAST, dynamic (the range of its operating system), any, or unstated; none for icmp.", once(portEntry(flowPortWords)), false},
		{"ports_mode", "all (also where left out): each port is used; alternatives: one of them is configured.", oneOf(portsModeWords), false},
		{"paired_with", "Id of the HTTP flow whose port on the same responder is coupled with this HTTPS one: 80 with 443, 8530 with 8531.", nil, false},
		{"icmp_types", "ICMP types 0 to 255, each with its ICMPv6 counterpart; none is every type.", form{"type": "integer", "minimum": 0, "maximum": 255}, false},
		{"announced_by", "What opens a dynamic port beforehand: rpc-endpoint-mapper, tftp or ftp.", oneOf(announcerWords), false},
		{"source_ports", "ephemeral (also where left out), any, or a fixed port or range.", portEntry([]string{"ephemeral", "any"}), false},
		{"reply", "expected (also where left out), or none: wake-on-LAN, multicast.", oneOf(replyWords), false},
		{"need", "What the document says: required, optional, conditional (names a condition), or unstated (also where left out).", oneOf(needWords), false},
		{"occurrence", "Your reading of when it happens: periodic, once (installation, registration) or on-demand, which is never missed; say why in note.", oneOf(occurrenceWords), false},
		{"condition", "Name of a condition that must hold; \"!name\" must be off.", pattern(`^!?` + nameForm[1:len(nameForm)-1] + `$|^$`), false},
		{"scope", "wan: the responder is outside the site's networks; lan: inside; empty: anywhere.", oneOf(scopeWords), false},
		{"satisfied_by", "any (also where left out): use of one responder is enough; each: of every one.", oneOf(satisfiedWords), false},
		{"proxy", "true: may run through a web proxy that the site names.", nil, false},
		{"configurable", "true: the document lets a site choose another port.", nil, false},
		{"encryption", "required, expected (on by default), forbidden, or unstated (also where left out).", oneOf(encryptedWords), false},
		{"encryption_protocols", "How it is encrypted: tls, mtls, ssh, smb, ipsec; none is any.", oneOf(encryptionWords), false},
		{"reference", "true: a list without roles, from and to any; names platform traffic and expects nothing.", nil, false},
		{"cite", "Where documents state the flow; only a local pack may leave it out.", nil, false},
		{"note", "What a reader should know of it; may have several lines.", nil, false},
	},
	reflect.TypeFor[Cite](): {
		{"document", "Id of one of the documents.", pattern(nameForm), true},
		{"lines", "Lines of the document's file: \"33\" or \"109-111\".", form{"type": []string{"string", "integer"}, "pattern": linesForm.String() + `|^$`}, false},
		{"section", "Heading, note, table row or clause; what a public source is cited by.", nil, false},
	},
}

// Forms of values, as regular expressions that JavaScript reads too.
const (
	nameForm      = `^[a-z0-9]+([.-][a-z0-9]+)*$`
	qualifiedForm = `^[a-z0-9]+([.-][a-z0-9]+)*/[a-z0-9]+([.-][a-z0-9]+)*$`
	portNumber    = `([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])`
	portSpan      = portNumber + `-` + portNumber
	octet         = `(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])`
	four          = octet + `(\.` + octet + `){3}`
	six           = `[0-9A-Fa-f]*:[0-9A-Fa-f:]*(` + four + `)?`
	addressForm   = `^(` + four + `(/(3[0-2]|[12]?[0-9])| *- *` + four + `)?|` + six + `(/(12[0-8]|1[01][0-9]|[1-9]?[0-9])| *- *` + six + `)?)$`
	timeForm      = `^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.,][0-9]+)?(Z|[+-][0-2][0-9]:[0-5][0-9]))?$`
	clockForm     = `^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$`
	lastingForm   = `^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))*$`
)

func pattern(expression string) form { return form{"type": "string", "pattern": expression} }

func oneOf(words []string) form { return form{"enum": words} }

// filled is a text that is not empty.
func filled() form { return form{"type": "string", "minLength": 1} }

// listed is a list with an entry.
func listed() form { return form{"minItems": 1} }

// distinct is a list with an entry, each given once.
func distinct() form { return once(listed()) }

// once has each entry of a list given once.
func once(f form) form {
	f["uniqueItems"] = true
	return f
}

// except leaves words out.
func except(f form, words []string) form {
	f["not"] = oneOf(words)
	return f
}

// portEntry is a port, a range, or one of the words. A number needs no quotes: the text of a value counts.
func portEntry(words []string) form {
	alternatives := []form{{"type": "integer", "minimum": 1, "maximum": 65535}, pattern(`^` + portNumber + `$|^` + portSpan + `$`)}
	if len(words) > 0 {
		alternatives = append(alternatives, oneOf(words))
	}
	return form{"anyOf": alternatives}
}
