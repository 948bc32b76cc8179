package reports

import (
	"fmt"
	"net/netip"
	"strings"

	"pcapaudit/classify"
)

// commandView is a command line that shows the packets of a finding's evidence in one file.
type commandView struct{ Tool, Text string }

// maxCommandFiles bounds the files of which a finding's packets have commands.
const maxCommandFiles = 3

// commands select the connections of the evidence: their ends and, in tshark, nothing before their first packets, so that an earlier
// connection of the same ports stays out. Addresses that do not parse, and file names that a shell would not take as they are, give none.
func commands(proto string, list []classify.Evidence) []commandView {
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
			if s, d := filters(proto, &e); s != "" {
				shark, dump = append(shark, s), append(dump, d)
			}
		}
		name := shellName(file)
		if len(shark) == 0 || name == "" {
			continue
		}
		out = append(out, commandView{"tshark", fmt.Sprintf("tshark -r %s -Y '%s'", name, either(shark, " || "))}, commandView{"tcpdump", fmt.Sprintf("tcpdump -nr %s '%s'", name, either(dump, " or "))})
	}
	return out
}

func either(list []string, or string) string {
	if len(list) == 1 {
		return list[0]
	}
	return "(" + strings.Join(list, ")"+or+"(") + ")"
}

// filters give a connection in the languages of Wireshark and of tcpdump, "" where its ends do not parse.
func filters(proto string, e *classify.Evidence) (shark, dump string) {
	orig, origPort, ok1 := endOf(e.Orig)
	resp, respPort, ok2 := endOf(e.Resp)
	if !ok1 || !ok2 || orig.Is4() != resp.Is4() {
		return "", ""
	}
	field := "ip"
	if !orig.Is4() {
		field = "ipv6"
	}
	since := fmt.Sprintf("frame.number >= %d && ", e.Packet)
	if origPort == "" || respPort == "" {
		s := fmt.Sprintf("%s%s.addr == %s && %s.addr == %s", since, field, orig, field, resp)
		d := fmt.Sprintf("host %s and host %s", orig, resp)
		switch proto {
		case "icmp", "icmpv6":
			shark, dump = s+" && "+proto, strings.Replace(proto, "icmpv6", "icmp6", 1)+" and "+d
		default:
			shark, dump = s, d
		}
		return shark, dump
	}
	if proto != "tcp" && proto != "udp" && proto != "sctp" {
		return "", ""
	}
	way := func(a netip.Addr, p string, b netip.Addr, q string) (string, string) {
		return fmt.Sprintf("%[1]s.src == %[3]s && %[2]s.srcport == %[4]s && %[1]s.dst == %[5]s && %[2]s.dstport == %[6]s", field, proto, a, p, b, q),
			fmt.Sprintf("src host %s and src port %s and dst host %s and dst port %s", a, p, b, q)
	}
	s1, d1 := way(orig, origPort, resp, respPort)
	s2, d2 := way(resp, respPort, orig, origPort)
	return fmt.Sprintf("%s((%s) || (%s))", since, s1, s2), fmt.Sprintf("%s and ((%s) or (%s))", proto, d1, d2)
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
