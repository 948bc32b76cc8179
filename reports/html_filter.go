package reports

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"pcapaudit/classify"
)

// commandView is a command line that shows the packets of a finding's evidence in one file.
type commandView struct {
	Tool string
	Text command
}

// command is a text that a page shows whole: cut, it would be another one. Its parts are checked, and none holds foreign text that is longer than a page shows.
type command string

// maxCommandFiles bounds the files of which a finding's packets have commands.
const maxCommandFiles = 3

// unpackers write a compressed capture to standard output.
var unpackers = map[string]string{"gzip": "gzip -dc", "zstd": "zstd -dc", "lz4": "lz4 -dc", "xz": "xz -dc"}

// commands select the connections of a finding's evidence: their ends and, in tshark, nothing before their first packets or after their last times, so that
// other connections of the same ports stay out. Addresses that do not parse, and file names that a shell would not take as they are, give none.
func commands(f *classify.Finding, list []classify.Evidence, inputs []classify.Input) []commandView {
	var out []commandView
	var files []string
	byFile := map[string][]classify.Evidence{}
	for _, e := range list {
		if byFile[e.File] == nil {
			files = append(files, e.File)
		}
		byFile[e.File] = append(byFile[e.File], e)
	}
	files, _ = cut(files, maxCommandFiles)
	for _, file := range files {
		var shark, dump []string
		for _, e := range byFile[file] {
			s, d := filters(f.Proto, f.Port, &e)
			shark, dump = appendFilter(shark, s), appendFilter(dump, d)
		}
		source, from := shellName(file), ""
		if i := inputOf(inputs, byFile[file][0]); i >= 0 && inputs[i].Compression != "" && source != "" {
			if source = ""; unpackers[inputs[i].Compression] != "" {
				source, from = "-", unpackers[inputs[i].Compression]+" < "+shellName(file)+" | "
			}
		}
		if source != "" && len(shark) > 0 {
			out = append(out, commandView{"tshark", command(fmt.Sprintf("%stshark -r %s -Y '%s'", from, source, either(shark, " || ")))})
		}
		if source != "" && len(dump) > 0 {
			out = append(out, commandView{"tcpdump", command(fmt.Sprintf("%stcpdump -nr %s '%s'", from, source, either(dump, " or ")))})
		}
	}
	return out
}

// inEvidence points to connections in the file of evidence, where packets have other numbers: no other capture has the addresses of an audit with pseudonyms.
func inEvidence(e *classify.EvidenceFile, list []classify.Evidence) []classify.Evidence {
	if e == nil {
		return nil
	}
	list = slices.Clone(list)
	for i := range list {
		list[i].File, list[i].Packet = e.File, 0
	}
	return list
}

func appendFilter(list []string, filter string) []string {
	if filter == "" {
		return list
	}
	return append(list, filter)
}

func either(list []string, or string) string {
	if len(list) == 1 {
		return list[0]
	}
	return "(" + strings.Join(list, ")"+or+"(") + ")"
}

// filters give a connection in the languages of Wireshark and of tcpdump, "" where its ends do not parse. Evidence without ends is one packet, which tcpdump
// has no word for.
func filters(proto, port string, e *classify.Evidence) (shark, dump string) {
	if e.Orig+e.Resp == "" && e.Packet > 0 {
		return fmt.Sprintf("frame.number == %d", e.Packet), ""
	}
	orig, origPort, ok1 := endOf(e.Orig)
	resp, respPort, ok2 := endOf(e.Resp)
	if !ok1 || !ok2 || orig.Is4() != resp.Is4() {
		return "", ""
	}
	w := ways{ip: "ip", icmp: "icmp", orig: orig.String(), resp: resp.String()}
	if !orig.Is4() {
		w.ip, w.icmp = "ipv6", "icmpv6"
	}
	switch {
	case origPort != "" && respPort != "":
		shark, dump = w.ports(proto, origPort, respPort)
	case origPort+respPort != "":
		return "", ""
	case proto == "icmp" && w.ip == "ip", proto == "icmp6" && w.ip == "ipv6":
		shark, dump = w.types(proto, strings.TrimPrefix(port, "type "))
	default:
		shark, dump = w.protocol(proto)
	}
	if shark == "" {
		return "", ""
	}
	return span(e) + shark, dump
}

// span holds tshark to the packets from the first to the last of a connection.
func span(e *classify.Evidence) string {
	text := fmt.Sprintf("frame.number >= %d && ", e.Packet)
	if last, ok := stampTime(e.Last); ok && last.Unix() >= 0 {
		text += fmt.Sprintf("frame.time_epoch <= %d.%09d && ", last.Unix(), last.Nanosecond())
	}
	return text
}

// ways are the two directions between two ends, and the names that Wireshark has for their IP and ICMP.
type ways struct{ ip, icmp, orig, resp string }

func (w *ways) shark(there, back string) string {
	return fmt.Sprintf("((%[1]s.src == %[2]s && %[1]s.dst == %[3]s && %[4]s) || (%[1]s.src == %[3]s && %[1]s.dst == %[2]s && %[5]s))", w.ip, w.orig, w.resp, there, back)
}

func (w *ways) dump(proto, there, back string) string {
	return fmt.Sprintf("%[1]s and ((src host %[2]s and dst host %[3]s and %[4]s) or (src host %[3]s and dst host %[2]s and %[5]s))", proto, w.orig, w.resp, there, back)
}

// ports leaves out the errors of ICMP that quote packets of the connection.
func (w *ways) ports(proto, orig, resp string) (shark, dump string) {
	if proto != "tcp" && proto != "udp" && proto != "sctp" {
		return "", ""
	}
	fields := func(src, dst string) string {
		return fmt.Sprintf("%[1]s.srcport == %[2]s && %[1]s.dstport == %[3]s", proto, src, dst)
	}
	words := func(src, dst string) string { return fmt.Sprintf("src port %s and dst port %s", src, dst) }
	return "!" + w.icmp + " && " + w.shark(fields(orig, resp), fields(resp, orig)), w.dump(proto, words(orig, resp), words(resp, orig))
}

// icmpReplies are the types that answer others; a message that has no reply is a connection of its own (flow.PackICMP).
var icmpReplies = map[string]string{"icmp 8": "0", "icmp 13": "14", "icmp 15": "16", "icmp 17": "18", "icmp 42": "43",
	"icmp6 128": "129", "icmp6 139": "140", "icmp6 144": "145", "icmp6 146": "147", "icmp6 160": "161"}

// icmpErrors are the types that quote packets of other connections.
var icmpErrors = map[string]string{"icmp": "{3, 4, 5, 11, 12}", "icmp6": "{1, 2, 3, 4}"}

func (w *ways) types(proto, asks string) (shark, dump string) {
	if n, err := strconv.ParseUint(asks, 10, 8); err != nil || fmt.Sprint(n) != asks {
		return "", ""
	}
	field, at := w.icmp+".type", proto+"[0]"
	answers := icmpReplies[proto+" "+asks]
	if answers == "" {
		return fmt.Sprintf("%[1]s.src == %[2]s && %[1]s.dst == %[3]s && %[4]s == %[5]s", w.ip, w.orig, w.resp, field, asks), fmt.Sprintf("%s and src host %s and dst host %s and %s = %s", proto, w.orig, w.resp, at, asks)
	}
	return fmt.Sprintf("!(%s in %s) && %s", field, icmpErrors[proto], w.shark(field+" == "+asks, field+" == "+answers)), w.dump(proto, at+" = "+asks, at+" = "+answers)
}

// protocols are those without ports that a connection may have, by number.
var protocols = map[string]int{"igmp": 2, "gre": 47, "esp": 50, "ah": 51, "eigrp": 88, "ospf": 89, "pim": 103, "vrrp": 112}

func (w *ways) protocol(name string) (shark, dump string) {
	n, known := protocols[name]
	if number, ok := strings.CutPrefix(name, "ip-"); ok {
		parsed, err := strconv.ParseUint(number, 10, 8)
		n, known = int(parsed), err == nil
	}
	if !known {
		return "", ""
	}
	field, word := "ip.proto", "ip proto"
	if w.ip == "ipv6" {
		field, word = "ipv6.nxt", "ip6 proto"
	}
	return fmt.Sprintf("%[1]s == %[2]d && %[3]s.addr == %[4]s && %[3]s.addr == %[5]s", field, n, w.ip, w.orig, w.resp), fmt.Sprintf("%s %d and host %s and host %s", word, n, w.orig, w.resp)
}

// endOf reads "192.0.2.1:80", "[2001:db8::1]:80" or an address alone.
func endOf(s string) (a netip.Addr, port string, ok bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil && ap.Addr().Zone() == "" {
		return ap.Addr().Unmap(), fmt.Sprint(ap.Port()), true
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap(), "", err == nil && a.Zone() == ""
}

// shellName is a file name for a command line: as it is, quoted, or "" where characters hide in it.
func shellName(name string) string {
	switch {
	case name == "" || name == "-" || cleanHTML(name) != name:
		return ""
	case strings.HasPrefix(name, "-"):
		name = "./" + name
	}
	if shellPlain(name) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

func shellPlain(name string) bool {
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/+-") == ""
}
