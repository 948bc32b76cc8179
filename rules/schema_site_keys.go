package rules

import (
	"reflect"

	"pcapaudit/rules/inventory"
)

// siteKeySpecs has the keys of the structures of site files.
var siteKeySpecs = map[reflect.Type][]keySpec{
	reflect.TypeFor[Site](): {
		{"name", "What reports call the site.", nil, false},
		{"status", "draft: a program proposed the entries, or nobody has reviewed them yet, and every audit says so; remove it then.", oneOf(statusWords), false},
		{"networks", "Prefixes inside; left out: the private and link-local ranges and the hosts' own addresses.", once(pattern(addressForm)), false},
		{"hosts", "Who plays which role where.", nil, false},
		{"hosts_from", "Inventories that list further hosts; what is typed under hosts holds against them.", nil, false},
		{"conditions", "Which conditions of packs hold, and when.", nil, false},
		{"ports", "Ports that the site has chosen where the document lets it, or is silent.", nil, false},
		{"encryption", "Encryption by default that the site has switched off.", nil, false},
		{"dynamic", "Dynamic ports that are accepted without an announcement.", nil, false},
		{"proxies", "Web proxies that stand between originators and responders.", nil, false},
		{"translations", "Address translations between the hosts and the capture point.", nil, false},
		{"installed", "Which versions of the packs' products the site runs; changes no verdict.", nil, false},
		{"captures", "How captures were made and in whose hands they were.", nil, false},
		{"vantage", "Capture points and the pairs of networks that they see.", nil, false},
		{"period", "The time that is judged; left out: all that the capture covers.", nil, false},
		{"hours", "Allowed hours of documented flows; left out: any time.", nil, false},
		{"expect", "When flows are expected.", nil, false},
		{"background", "Traffic that is out of scope by the site's word.", nil, false},
		{"exceptions", "Approved deviations, with an end.", nil, false},
		{"flows", "Approved flows of the site's own.", nil, false},
		{"limits", "Bounds that are tighter than the built-in ones.", nil, false},
	},
	reflect.TypeFor[Host](): {
		{"name", "By which findings name the host.", except(text(1), partyWords), true},
		{"addresses", "Addresses, prefixes or ranges FIRST-LAST; the most specific entry of a site wins.", nil, false},
		{"os", "The operating system, for its source ports; left out: unknown.", oneOf(append(osNames[:len(osNames):len(osNames)], "")), false},
		{"roles", "PACK/ROLE, as many as it plays.", once(pattern(qualifiedForm)), false},
		{"names", "Names by which responders are known; *.example.com is every name below.", pattern(hostForm.String()), false},
		{"source_range", "FIRST-LAST of its source ports, where they are not those of its system.", pattern(`^` + portSpan + `$|^$`), false},
		{"expected_active", "true: that it is never seen is a finding.", nil, false},
	},
	reflect.TypeFor[Inventory](): {
		{"file", "Path of the inventory, from the folder of the site file.", filled(), true},
		{"kind", "csv, ansible (ansible-inventory --list), ad (Get-ADComputer | Export-Csv) or dhcp (dhcpd.leases, kea-leases4.csv, kea-leases6.csv).", oneOf(inventory.Kinds()), true},
		{"separator", "Of csv and ad: one character, or tab; left out: found in the first line.", pattern(`^.$|^tab$|^$`), false},
		{"no_header", "true: the first line of a csv is a host; columns go by their numbers, from 1.", nil, false},
		{"columns", "Which column holds what; left out: what the kind implies.", nil, false},
		{"roles", "Which hosts get which roles; those that several rules fit get all of theirs.", nil, false},
	},
	reflect.TypeFor[Columns](): {
		{"address", "One column, or several; a cell may hold several addresses.", nil, false},
		{"name", "By which findings name the host.", nil, false},
		{"names", "Names by which responders are known.", nil, false},
		{"os", "The operating system, as one of our words or as the system calls itself.", nil, false},
		{"roles", "Roles, written PACK/ROLE.", nil, false},
		{"ou", "A distinguished name.", nil, false},
	},
	reflect.TypeFor[RoleRule](): {
		{"column", "Name of a column, or of a variable of Ansible.", nil, false},
		{"is", "The value that the column must have; * stands for any text.", nil, false},
		{"group", "A group of Ansible that the host is in.", nil, false},
		{"ou", "Units in which the computer lies, each in the one before: Servers/Backup.", nil, false},
		{"name", "The name of the host; * stands for any text.", nil, false},
		{"roles", "PACK/ROLE, as many as such hosts play.", form{"type": "string", "pattern": qualifiedForm, "minItems": 1}, true},
	},
	reflect.TypeFor[AddrEntry](): {
		{"address", "An address, a prefix or a range FIRST-LAST.", pattern(addressForm), true},
		{"from", "From when the host has it: a date (midnight UTC) or RFC 3339.", moment(), false},
		{"until", "Until when, exclusive.", moment(), false},
	},
	reflect.TypeFor[SiteCondition](): {
		{"name", "PACK/CONDITION.", pattern(qualifiedForm), true},
		{"state", "on, off or unknown.", oneOf(stateWords), true},
		{"from", "From when: a date (midnight UTC) or RFC 3339.", moment(), false},
		{"until", "Until when, exclusive.", moment(), false},
	},
	reflect.TypeFor[PortOverride](): {
		{"flow", "PACK/FLOW.", pattern(qualifiedForm), true},
		{"ports", "Ports of the responder that hold instead.", portList([]string{"dynamic"}), true},
		{"to", "Hosts with these ports; left out: every responder.", nil, false},
		{"source", "Where the site knows it from.", nil, false},
		{"approver", "Who approved it; obligatory where the document states no port.", nil, false},
	},
	reflect.TypeFor[Unencrypted](): {
		{"flow", "PACK/FLOW.", pattern(qualifiedForm), true},
		{"state", "off.", oneOf(switchedWords), true},
		{"source", "Where the site knows it from.", filled(), true},
		{"approver", "Who approved it.", filled(), true},
	},
	reflect.TypeFor[DynamicRange](): {
		{"flow", "PACK/FLOW; left out: every flow with announced ports.", pattern(qualifiedForm + `|^$`), false},
		{"accept", "range.", oneOf(acceptedWords), true},
		{"range", "FIRST-LAST; left out: the range of the responder's system.", pattern(`^` + portSpan + `$|^$`), false},
		{"source", "Where the site knows it from.", filled(), true},
		{"approver", "Who approved it.", filled(), true},
	},
	reflect.TypeFor[Proxy](): {
		{"host", "Name of a host of the site.", filled(), true},
		{"ports", "On which it accepts connections.", portList(nil), true},
		{"flows", "PACK/FLOW that may run through it; left out: every flow with proxy: true.", pattern(qualifiedForm), false},
	},
	reflect.TypeFor[Translation](): {
		{"kind", "source-pat, static, destination or lb-snat.", oneOf(translationWords), true},
		{"inside", "Hosts, addresses or prefixes behind it.", listed(), true},
		{"outside", "Addresses that the capture shows instead; for destination and static also ADDRESS:PORT.", listed(), true},
		{"port", "The inside port of a destination translation, where it is another.", nil, false},
		{"note", "What a reader should know of it.", nil, false},
	},
	reflect.TypeFor[Installed](): {
		{"pack", "Name of the pack.", filled(), true},
		{"version", "The version, as the product words it.", text(1), true},
		{"source", "Where the site knows it from.", filled(), true},
	},
	reflect.TypeFor[CaptureRecord](): {
		{"file", "Pattern of file names: night-*.pcapng.", nil, false},
		{"interface", "That the file names.", nil, false},
		{"device", "That captured: a probe, a switch and its mirror port.", nil, false},
		{"method", "span, tap, host or other.", oneOf(methodWords), true},
		{"filter", "Of the capture; left out: none known.", nil, false},
		{"clock", "The clock behind the times of packets.", nil, false},
		{"operator", "Who captured.", nil, false},
		{"custody", "Events in the life of the files, in their order.", nil, false},
	},
	reflect.TypeFor[Clock](): {
		{"source", "NTP, PTP, GPS, free-running, as the site words it.", nil, false},
		{"offset", "How far it was ahead of UTC: +12ms, -1.5s.", pattern(lastingForm + `|^$`), false},
	},
	reflect.TypeFor[Custody](): {
		{"who", "Who did it.", filled(), true},
		{"when", "A date (midnight UTC) or RFC 3339.", moment(), true},
		{"what", "What was done.", filled(), true},
	},
	reflect.TypeFor[Vantage](): {
		{"name", "What reports call the point.", nil, false},
		{"sees", "Pairs of networks whose traffic it sees.", listed(), true},
	},
	reflect.TypeFor[Pair](): {
		{"from", "Prefix, host, inside, internet or any.", filled(), true},
		{"to", "Prefix, host, inside, internet or any.", filled(), true},
		{"one_way", "true: only what goes from the one to the other.", nil, false},
	},
	reflect.TypeFor[Period](): {
		{"from", "From when: a date (midnight UTC) or RFC 3339.", moment(), false},
		{"until", "Until when, exclusive.", moment(), false},
	},
	reflect.TypeFor[Hours](): {
		{"flows", "PACK/FLOW or PACK/*; left out: every flow.", pattern(qualifiedForm + `|^[a-z0-9]+([.-][a-z0-9]+)*/[*]$`), false},
		{"days", "mon to sun, on which the hours begin; left out: every day.", oneOf(weekdays), false},
		{"from", "Time of day: 22:00.", pattern(clockForm), true},
		{"until", "Time of day; of the next day where it is not after from.", pattern(clockForm), true},
		{"zone", "IANA time zone, such as Europe/Paris, or UTC.", filled(), true},
	},
	reflect.TypeFor[Expect](): {
		{"flow", "PACK/FLOW.", pattern(qualifiedForm), true},
		{"hosts", "Originating hosts; left out: all.", nil, false},
		{"in", "period: expected in this period; not: not expected.", oneOf(expectWords), false},
		{"every", "night, day, 24h or a duration that divides the hours, such as 1h: once in each such window.", pattern(`^(night|day)$|^$|` + lastingForm), false},
		{"at", "Hours in which the windows lie: 22:00-06:00.", pattern(`^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$|^$`), false},
		{"within", "How late after a window a use may come: 15m.", pattern(`^[^-]*$`), false},
		{"days", "mon to sun, on which the hours begin; left out: every day.", oneOf(weekdays), false},
		{"zone", "IANA time zone; left out: UTC.", nil, false},
		{"reason", "Why the site says so.", filled(), true},
	},
	reflect.TypeFor[Background](): {
		{"from", "Host, address, prefix, PACK/ROLE, any, internet, broadcast or multicast.", filled(), true},
		{"to", "Host, address, prefix, PACK/ROLE, any, internet, broadcast or multicast.", filled(), true},
		{"proto", "A protocol; left out: any.", oneOf(protoWords("", "any")), false},
		{"ports", "Of the responder; left out: any.", portEntry(nil), false},
		{"reason", "Why it is out of scope.", filled(), true},
		{"carrier", "true: a tunnel; what it carries is judged, where it can be opened.", nil, false},
	},
	reflect.TypeFor[Exception](): {
		{"id", "By which reports name the exception.", text(1), true},
		{"from", "Host, address, prefix, PACK/ROLE, any or internet.", filled(), true},
		{"to", "Host, address, prefix, PACK/ROLE, any or internet.", filled(), true},
		{"proto", "A protocol; left out: any.", oneOf(protoWords("", "any")), false},
		{"ports", "Of the responder; left out: any.", portEntry(nil), false},
		{"owner", "Who answers for it.", filled(), true},
		{"approver", "Who approved it.", filled(), true},
		{"reason", "Why.", filled(), true},
		{"ticket", "Where the decision is recorded.", text(1), true},
		{"since", "From when: a date (midnight UTC) or RFC 3339.", moment(), false},
		{"until", "Until when, exclusive.", form{"type": "string", "pattern": timeForm}, true},
	},
	reflect.TypeFor[LocalFlow](): {
		{"id", "By which reports name the flow: local/ID.", pattern(nameForm), true},
		{"title", "What it is for.", nil, false},
		{"from", "Hosts or PACK/ROLE that open it.", listed(), true},
		{"to", "Hosts or PACK/ROLE that answer.", listed(), true},
		{"proto", "tcp, udp, icmp, another protocol, any or unstated.", oneOf(protoWords("any", "unstated")), true},
		{"ports", "Of the responder: numbers, FIRST-LAST, dynamic, any or unstated; none for icmp.", portEntry(flowPortWords), false},
		{"occurrence", "periodic, once or on-demand (also where left out).", oneOf(occurrenceWords), false},
		{"need", "required, or optional (also where left out).", oneOf(needWords), false},
		{"source_ports", "ephemeral (also where left out), any, or a fixed port or range.", portEntry([]string{"ephemeral", "any"}), false},
		{"encryption", "required, expected, forbidden, or unstated (also where left out).", oneOf(encryptedWords), false},
		{"announced_by", "What opens a dynamic port beforehand.", oneOf(announcerWords), false},
		{"reply", "expected (also where left out), or none.", oneOf(replyWords), false},
		{"encryption_protocols", "How it is encrypted; none is any.", oneOf(encryptionWords), false},
		{"owner", "Who answers for it.", filled(), true},
		{"justification", "Why it is there.", filled(), true},
		{"approver", "Who approved it.", filled(), true},
		{"date", "Since when: a date (midnight UTC) or RFC 3339.", form{"type": "string", "pattern": timeForm}, true},
	},
	reflect.TypeFor[Limits](): {
		{"loss_percent", "Share of lost packets above which nothing is said to be missing: 0 to 1.", form{"type": "number", "minimum": 0, "maximum": MaxLossPercent}, false},
	},
}

// moment is a time, or empty.
func moment() form { return pattern(timeForm + `|^$`) }

// portList is a list of ports with an entry.
func portList(words []string) form {
	f := portEntry(words)
	f["minItems"] = 1
	return f
}
