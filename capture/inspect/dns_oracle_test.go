package inspect_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
	"pcapaudit/capture/inspect"
)

const dnsCaptures = "../../../shared/captures"

// dnsDifferences explains the differences between tshark's word and ours that are no error of ours: file, side that has it, what, and why.
var dnsDifferences = map[string]string{}

func dnsFiles(t *testing.T) []string {
	files, _ := filepath.Glob(dnsCaptures + "/*.*cap*")
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, ".tsv") })
	if len(files) == 0 {
		t.Skip("no captures in " + dnsCaptures + ": put the shared folder beside the project")
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("no tshark to compare with: install it")
	}
	return files
}

// tsharkFields runs tshark over a file: one slice a packet, values of one field joined by commas.
func tsharkFields(t *testing.T, file, filter string, fields ...string) (rows [][]string) {
	args := []string{"-n", "-r", file, "-Y", filter, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, _ := exec.Command("tshark", args...).Output() // it fails behind the last packet of a cut file
	for line := range bytes.Lines(out) {
		if row := strings.Split(strings.TrimRight(string(line), "\n"), "\t"); len(row) == len(fields) {
			rows = append(rows, row)
		}
	}
	return rows
}

func lastOf(list string) string { return list[strings.LastIndexByte(list, ',')+1:] }

// learn runs a file and gives what is learned of it.
func learnedFrom(t *testing.T, file string) (names []flow.Name, announcements []flow.Announcement) {
	_, err := capture.Run(context.Background(), capture.Config{Inputs: []string{file}, Learn: inspect.Learn{
		Name:         func(n *flow.Name) { names = append(names, *n) },
		Announcement: func(a *flow.Announcement) { announcements = append(announcements, *a) },
	}})
	if err != nil {
		t.Logf("%s: %v", file, err)
	}
	return names, announcements
}

// sameWord holds two sets against each other, but for what is explained.
func sameWord(t *testing.T, file string, ours, theirs map[string]bool) {
	for _, side := range []struct {
		name     string
		has, not map[string]bool
	}{{"we", ours, theirs}, {"tshark", theirs, ours}} {
		for _, what := range slices.Sorted(maps.Keys(side.has)) {
			if key := filepath.Base(file) + " " + side.name + ": " + what; !side.not[what] && dnsDifferences[key] == "" {
				t.Errorf("%s: only %s: %s", filepath.Base(file), side.name, what)
			}
		}
	}
}

// Every answered question that tshark sees is learned: the name asked for, the address, and who asked; nothing else is. Every port that
// it sees a port mapper tell is announced.
func TestNamesAndPortsAgainstTshark(t *testing.T) {
	if testing.Short() {
		t.Skip("tshark takes long over all captures")
	}
	names, ports := 0, 0
	for _, file := range dnsFiles(t) {
		theirs, ours := map[string]bool{}, map[string]bool{}
		for _, row := range tsharkFields(t, file, "(dns.response_to && !mdns && !llmnr && dns.flags.rcode == 0 || portmap && rpc.msgtyp == 1 && rpc.state_accept == 0) && !icmp",
			"frame.protocols", "ip.dst", "ipv6.dst", "dns.qry.name", "dns.count.answers", "dns.resp.type", "dns.a", "dns.aaaa", "dns.svcb.svcparam.ipv4hint.ip", "portmap.port", "portmap.uaddr") {
			asker := lastOf(row[1])
			if strings.LastIndex(row[0], ":ipv6:") > strings.LastIndex(row[0], ":ip:") {
				asker = lastOf(row[2])
			}
			for _, a := range append(answered(row), strings.FieldsFunc(row[8], isComma)...) {
				theirs[fmt.Sprint(strings.ToLower(row[3]), " ", netip.MustParseAddr(a), " ", netip.MustParseAddr(asker))] = true
				names++
			}
			if row[9] != "" && row[9] != "0" {
				theirs["port "+row[9]+" "+asker] = true
				ports++
			}
			if f := strings.Split(row[10], "."); len(f) == 6 {
				var high, low int
				fmt.Sscan(f[4]+" "+f[5], &high, &low)
				theirs[fmt.Sprint("port ", high<<8|low, " ", asker)] = true
				ports++
			}
		}
		learned, announcements := learnedFrom(t, file)
		for _, n := range learned {
			if n.Origin == flow.NameDNS {
				ours[fmt.Sprint(n.Name, " ", n.Addr, " ", n.Asker)] = true
			}
		}
		for _, a := range announcements {
			if a.By == flow.AnnouncedByPortmap && a.Event == flow.PortAnnounced {
				ours[fmt.Sprint("port ", a.To.Port(), " ", a.Peer)] = true
			}
		}
		sameWord(t, file, ours, theirs)
	}
	t.Logf("%d addresses in answers, %d ports", names, ports)
}

func isComma(r rune) bool { return r == ',' }

// answered are the addresses in the answer section: tshark gives those of all sections, and the types of all records.
func answered(row []string) (addrs []string) {
	var n int
	fmt.Sscan(row[4], &n)
	a, aaaa := strings.FieldsFunc(row[6], isComma), strings.FieldsFunc(row[7], isComma)
	for i, kind := range strings.Split(row[5], ",") {
		if list := map[string]*[]string{"1": &a, "28": &aaaa}[kind]; i < n && list != nil && len(*list) > 0 {
			addrs, *list = append(addrs, (*list)[0]), (*list)[1:]
		}
	}
	return addrs
}
