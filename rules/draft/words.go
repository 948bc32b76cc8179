package draft

import (
	"regexp"
	"slices"
	"strings"
)

// direction as seen from the product that the document is about.
type direction uint8

const (
	unknown direction = iota
	outbound
	inbound
	bothWays
)

var directions = map[string]direction{
	"out": outbound, "outbound": outbound, "outgoing": outbound, "egress": outbound, "sortie": outbound, "sortant": outbound, "sortante": outbound,
	"in": inbound, "inbound": inbound, "incoming": inbound, "ingress": inbound, "entree": inbound, "entrant": inbound, "entrante": inbound,
	"dans": inbound, // "in", as translated by machines
	"both": bothWays, "bidirectional": bothWays, "bi-directional": bothWays, "two-way": bothWays, "bidirectionnel": bothWays, "bidirectionnelle": bothWays, "les deux": bothWays,
	"->": outbound, "-->": outbound, "→": outbound, "<-": inbound, "<--": inbound, "←": inbound, "<->": bothWays, "<-->": bothWays, "↔": bothWays,
}

var directionJoints = regexp.MustCompile(` ?(?:/|,|&|\+| and | et | ou | or ) ?`)

// parseDirection reads the cell of a direction column.
func parseDirection(cell string) direction {
	text := fold(cell)
	if d, ok := directions[text]; ok {
		return d
	}
	var sum direction
	for _, word := range directionJoints.Split(text, -1) {
		sum |= directions[word]
		if directions[word] == unknown {
			return unknown
		}
	}
	return sum
}

var needs = map[string]string{
	"yes": "required", "y": "required", "oui": "required", "required": "required", "mandatory": "required", "obligatoire": "required", "requis": "required", "requise": "required",
	"always": "required", "toujours": "required", "true": "required", "x": "required", "✓": "required", "✔": "required", "must": "required",
	"no": "optional", "n": "optional", "non": "optional", "optional": "optional", "optionnel": "optional", "optionnelle": "optional", "facultatif": "optional", "facultative": "optional",
	"false": "optional", "recommended": "optional", "recommande": "optional",
	"sometimes": "conditional", "conditional": "conditional", "depends": "conditional", "in some cases": "conditional", "parfois": "conditional", "conditionnel": "conditional",
	"dans certains cas": "conditional", "selon le cas": "conditional", "if used": "conditional", "si utilise": "conditional",
}

// parseNeed reads the cell of a column that says whether a flow is required; a line break, a comma or a parenthesis may end the word. optional is true for a
// column of what is optional. The result is "" where the word is not known.
func parseNeed(cell string, optional bool) string {
	first, _, _ := strings.Cut(strings.NewReplacer("(", "\n", ",", "\n", ";", "\n", ". ", "\n").Replace(cell), "\n")
	need := needs[fold(first)]
	switch {
	case optional && need == "required":
		return "optional"
	case optional && need == "optional":
		return "required"
	}
	return need
}

var scopes = map[string]string{
	"wan": "wan", "internet": "wan", "external": "wan", "externe": "wan", "public": "wan", "publique": "wan",
	"lan": "lan", "internal": "lan", "interne": "lan", "local": "lan", "locale": "lan", "private": "lan", "prive": "lan",
	"wan/lan": "both", "lan/wan": "both", "lan, wan": "both", "wan, lan": "both", "lan et wan": "both", "lan and wan": "both",
}

// anyone are words for "all hosts" in a column of ends.
var anyone = []string{"any", "all", "*", "anywhere", "everyone", "any host", "any source", "any destination", "all hosts", "tous", "toutes", "tout", "indifferent", "indifferente",
	"quelconque", "n'importe lequel", "n'importe laquelle", "0.0.0.0/0", "::/0", "any/all"}

var reserved = map[string]string{"internet": "internet", "the internet": "internet", "l'internet": "internet", "broadcast": "broadcast", "diffusion": "broadcast", "multicast": "multicast", "multidiffusion": "multicast"}

// nothing are what is printed in a cell that has nothing to say.
var nothing = []string{"", "-", "--", "---", "–", "—", "n/a", "na", "none", "nil", "aucun", "aucune", "neant", "s.o.", "s/o", "sans objet", "not applicable", "non applicable"}

func isNothing(cell string) bool {
	return slices.Contains(nothing, fold(cell)) && strings.TrimSpace(cell) != "*" // a star is all
}

// transports are the words for protocols that a pack knows.
var transports = map[string]string{"tcp": "tcp", "udp": "udp", "sctp": "sctp", "icmp": "icmp", "icmpv4": "icmp", "icmpv6": "icmp", "igmp": "igmp", "gre": "gre", "esp": "esp", "ah": "ah", "vrrp": "vrrp", "ospf": "ospf"}

// portless are the protocols among them that have no ports.
var portless = []string{"icmp", "igmp", "gre", "esp", "ah", "vrrp", "ospf"}

// only are services that run over one transport, whatever a page leaves out, and say no other.
var only = map[string]string{"http": "tcp", "https": "tcp", "ssh": "tcp", "sftp": "tcp", "ftp": "tcp", "ftps": "tcp", "telnet": "tcp", "smtp": "tcp", "smtps": "tcp", "imap": "tcp", "imaps": "tcp", "pop3": "tcp",
	"pop3s": "tcp", "ldaps": "tcp", "smb": "tcp", "cifs": "tcp", "winrm": "tcp", "iscsi": "tcp", "rtsp": "tcp", "mqtt": "tcp", "amqp": "tcp", "amqps": "tcp", "tftp": "udp", "dhcp": "udp", "ntp": "udp"}

// ciphers are services that are encrypted by their definition.
var ciphers = map[string]string{"https": "tls", "ldaps": "tls", "ftps": "tls", "imaps": "tls", "smtps": "tls", "pop3s": "tls", "amqps": "tls", "mtls": "mtls", "ssh": "ssh", "sftp": "ssh", "scp": "ssh"}

// services are mixed-case or lower-case names that may stand beside a port as its label; names in capitals may always.
var services = []string{"winrm", "kerberos", "netbios", "syslog", "telnet", "rsync", "mysql", "postgresql", "postgres", "oracle", "redis", "mongodb", "iscsi", "wmi", "modbus", "profinet", "bacnet", "websocket"}

// negations turn what stands beside them into its contrary.
var negations = []string{"not", "no", "non", "ne", "except", "sauf", "hors", "excluding", "without", "sans", "never", "jamais", "pas", "only", "if", "si"}
