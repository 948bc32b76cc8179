package rules

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// siteWith loads a site whose inventories are given by name.
func siteWith(text string, files map[string]string) (*Site, []Problem) {
	return LoadSiteWith("site.yaml", []byte(text), func(path string) ([]byte, error) {
		data, ok := files[path]
		if !ok {
			return nil, errors.New("no such file")
		}
		return []byte(data), nil
	})
}

// hostLines are the hosts of a site, one line each, then its inventories.
func hostLines(s *Site) []string {
	var lines []string
	for _, h := range s.Hosts {
		lines = append(lines, fmt.Sprintf("%s [%s] %s [%s] [%s] %s:%d", h.Name, addressTexts(h), h.OS, strings.Join(h.Names, " "), strings.Join(h.Roles, " "), h.Pos.File, h.Pos.Line))
	}
	for _, v := range s.HostsFrom {
		left := 0
		for _, l := range v.Left {
			left += l.Rows
		}
		lines = append(lines, fmt.Sprintf("%s: %d rows, %d hosts, %d typed, %d known, %d left", v.File, v.Rows, v.Hosts, v.Typed, v.Known, left))
	}
	return lines
}

func TestHostsFrom(t *testing.T) {
	const csv = "  - {file: a.csv, kind: csv, columns: {address: IP, name: Name, names: DNS, os: OS}}\n"
	const more = "  - {file: b.csv, kind: csv, columns: {address: IP, name: Name, names: DNS, os: OS}}\n"
	const head = "IP,Name,DNS,OS\n"
	lease := func(address, name string) string {
		return "lease " + address + " { binding state active; hardware ethernet 00:00:5e:00:53:01; client-hostname \"" + name + "\"; }\n"
	}
	const leases = "  - {file: leases, kind: dhcp}\n"
	for _, c := range []struct {
		name  string
		site  string
		files map[string]string
		want  []string // hosts and inventories, then problems
	}{
		{"rows of one name are one host", "hosts_from:\n" + csv, map[string]string{"a.csv": head + "10.0.0.1,a,,Windows XP\n10.0.0.2 fd00::2,A,a.example,\n10.0.0.3,b,,Ubuntu 24.04\n"}, []string{
			"a [10.0.0.1, 10.0.0.2, fd00::2] windows-pre-vista [a.example] [] a.csv:2", "b [10.0.0.3] linux [] [] a.csv:4", "a.csv: 3 rows, 2 hosts, 0 typed, 0 known, 0 left"}},
		{"rows without a name", "hosts_from:\n" + csv, map[string]string{"a.csv": head + "10.0.0.1,,,\n,,x.example,\n10.0.0.3,10.0.0.3,,\n-,gone,,\n"}, []string{
			"host-10.0.0.1 [10.0.0.1]  [] [] a.csv:2", "x.example []  [x.example] [] a.csv:3", "host-10.0.0.3 [10.0.0.3]  [] [] a.csv:4", "a.csv: 4 rows, 3 hosts, 0 typed, 0 known, 1 left",
			"a.csv:5:1: warning: 1 rows have neither address nor name by which responders are known; they are left out: nothing in a capture could be theirs"}},
		{"what is typed holds, by name", "hosts:\n  - {name: A, addresses: [10.0.0.9], roles: [p/r]}\nhosts_from:\n" + csv, map[string]string{"a.csv": head + "10.0.0.1,a,,Windows\n10.0.0.2,b,,\n"}, []string{
			"A [10.0.0.9] windows [] [p/r] site.yaml:2", "b [10.0.0.2]  [] [] a.csv:3", "a.csv: 2 rows, 1 hosts, 1 typed, 0 known, 0 left"}},
		{"a host typed without addresses has those of an inventory, but no lease", "hosts:\n  - {name: a, names: [a.example], roles: [p/r]}\n  - {name: b, names: [b.example]}\nhosts_from:\n" + csv + leases, map[string]string{"a.csv": head + "10.0.0.1,a,,Debian\n", "leases": lease("10.0.0.2", "b")}, []string{
			"a [10.0.0.1] linux [a.example] [p/r] site.yaml:2", "b []  [b.example] [] site.yaml:3", "a.csv: 1 rows, 0 hosts, 1 typed, 0 known, 0 left", "leases: 1 rows, 0 hosts, 1 typed, 0 known, 0 left"}},
		{"what is typed holds, by name of a responder", "hosts:\n  - {name: vault, addresses: [10.0.0.9], names: [v.example]}\nhosts_from:\n" + csv, map[string]string{"a.csv": head + "10.0.0.1,a,V.example,\n"}, []string{
			"vault [10.0.0.9]  [v.example] [] site.yaml:2", "a.csv: 1 rows, 0 hosts, 1 typed, 0 known, 0 left"}},
		{"what is typed holds, by address", "hosts:\n  - {name: z, addresses: [10.0.0.1]}\nhosts_from:\n" + csv, map[string]string{"a.csv": head + "10.0.0.1 10.0.0.2,a,,\n10.0.0.1,,,\n"}, []string{
			"z [10.0.0.1]  [] [] site.yaml:2", "a [10.0.0.2]  [] [] a.csv:2", "a.csv: 2 rows, 1 hosts, 1 typed, 0 known, 0 left",
			`a.csv:2:1: warning: 10.0.0.1 of "a" is typed as host "z", at site.yaml:2:5; what is typed holds; correct one of the two`}},
		{"a typed prefix leaves room for hosts in it", "hosts:\n  - {name: clients, addresses: [10.0.0.0/24]}\nhosts_from:\n" + csv, map[string]string{"a.csv": head + "10.0.0.1,a,,\n"}, []string{
			"clients [10.0.0.0/24]  [] [] site.yaml:2", "a [10.0.0.1]  [] [] a.csv:2", "a.csv: 1 rows, 1 hosts, 0 typed, 0 known, 0 left"}},
		{"a later inventory adds what the first leaves open", "hosts_from:\n" + csv + more, map[string]string{"a.csv": head + "10.0.0.1,a,,\n,b,b.example,Windows\n", "b.csv": head + "fd00::1,A,,linux\n10.0.0.2,other,B.example,\n10.0.0.1,,,\n10.0.0.5,c,,\n"}, []string{
			"a [10.0.0.1, fd00::1] linux [] [] a.csv:2", "b [10.0.0.2] windows [b.example] [] a.csv:3", "c [10.0.0.5]  [] [] b.csv:5",
			"a.csv: 2 rows, 2 hosts, 0 typed, 0 known, 0 left", "b.csv: 4 rows, 1 hosts, 0 typed, 3 known, 0 left"}},
		{"where inventories differ the first holds, and it is said", "hosts_from:\n" + csv + more, map[string]string{"a.csv": head + "10.0.0.1,a,,Windows\n", "b.csv": head + "10.0.0.2,a,,Debian\n"}, []string{
			"a [10.0.0.1] windows [] [] a.csv:2", "a.csv: 1 rows, 1 hosts, 0 typed, 0 known, 0 left", "b.csv: 1 rows, 0 hosts, 0 typed, 1 known, 0 left",
			`b.csv:2:1: warning: host "a" has 10.0.0.2 here and 10.0.0.1 at a.csv:2:1; the earlier inventory holds; correct one of the two or type the host in the site`,
			`b.csv:2:1: warning: host "a" is linux here and windows at a.csv:2:1; the earlier inventory holds; correct one of the two or type the host in the site`}},
		{"an unnamed host gets its name", "hosts_from:\n" + csv + more, map[string]string{"a.csv": head + "10.0.0.1,,,\n", "b.csv": head + "10.0.0.1,a,,\n"}, []string{
			"a [10.0.0.1]  [] [] a.csv:2", "a.csv: 1 rows, 1 hosts, 0 typed, 0 known, 0 left", "b.csv: 1 rows, 0 hosts, 0 typed, 1 known, 0 left"}},
		{"one address under two names", "hosts_from:\n" + csv, map[string]string{"a.csv": head + "10.0.0.1,a,,\n10.0.0.1,b,,\n"}, []string{
			`a.csv:3:1: 10.0.0.1 of host "b" is also an entry of host "a", at a.csv:2:1; correct the inventory, or type the host that has it in the site: what is typed holds`}},
		{"one name below two hosts", "hosts_from:\n" + csv, map[string]string{"a.csv": head + "10.0.0.1,a,x.example,\n10.0.0.2,b,x.example,\n"}, []string{
			"a [10.0.0.1]  [x.example] [] a.csv:2", "a.csv: 2 rows, 1 hosts, 0 typed, 0 known, 1 left",
			`a.csv:3:1: warning: "b" goes by a name of "a", at a.csv:2:1; it is left out; correct one of the rows`}},
		{"no host's address", "hosts_from:\n" + csv, map[string]string{"a.csv": head + "224.0.0.1,a,,\n10.0.0.1%eth0,b,,\nhost,c,,\n"}, []string{
			"a.csv:2:1: 224.0.0.1 is no host's address; correct the export",
			`a.csv:3:1: "10.0.0.1%eth0" is no address; write one or several, such as 192.0.2.7; correct the export or the mapping of columns`,
			`a.csv:4:1: "host" is no address; write one or several, such as 192.0.2.7; correct the export or the mapping of columns`}},
		{"what leases say", "hosts_from:\n" + csv + leases, map[string]string{"a.csv": head + "10.0.0.1,a,,\n,b,b.example,\n", "leases": lease("10.0.0.1", "evil") + lease("10.0.0.2", "b") + lease("10.0.0.3", `c\001`)}, []string{
			"a [10.0.0.1]  [] [] a.csv:2", "b [10.0.0.2]  [b.example] [] a.csv:3", "host-10.0.0.3 [10.0.0.3]  [] [] leases:3",
			"a.csv: 2 rows, 2 hosts, 0 typed, 0 known, 0 left", "leases: 3 rows, 1 hosts, 0 typed, 2 known, 0 left",
			`leases:1:1: warning: 10.0.0.1 calls itself "evil" and is host "a", at a.csv:2:1; the earlier inventory holds; correct one of the two`,
			"site.yaml:3:5: warning: hosts of earlier inventories with an address because a lease of leases has their name: 1; a client calls itself what it likes; prefer reservations, typed here or in another inventory"}},
		{"nothing in it", "hosts_from:\n" + csv, map[string]string{"a.csv": head}, []string{
			"site.yaml: the site has no hosts; add hosts with addresses and roles, or hosts_from with inventories that list some"}},
		{"a mistake hides what follows from it", "hosts_from:\n" + csv + "proxies: [{host: a, ports: [\"80\"]}]\n", map[string]string{"a.csv": head + "x,a,,\n"}, []string{
			`a.csv:2:1: "x" is no address; write one or several, such as 192.0.2.7; correct the export or the mapping of columns`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			site, problems := siteWith(c.site, c.files)
			var got []string
			if site != nil {
				got = hostLines(site)
			}
			for _, p := range problems {
				got = append(got, p.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"Backup Server", "backup server", true}, {"bkp-*", "BKP-01", true}, {"bkp-*", "bkp", false}, {"*", "", true}, {"*-db-*", "x-db-1", true}, {"a*a", "a", false},
		{"a*b*c", "abbc", true}, {"a*b*c", "acbc", true}, {"a*b*c", "ac", false}, {"*.example", "a.example", true}, {"", "x", false},
	} {
		if got := like(c.pattern, c.text); got != c.want {
			t.Errorf("%q like %q: %v", c.text, c.pattern, got)
		}
	}
}

func TestOSOf(t *testing.T) {
	for text, want := range map[string]string{"Windows Server 2003 R2": "windows-pre-vista", "Windows XP Professional": "windows-pre-vista", "Windows 2000 Server": "windows-pre-vista",
		"Microsoft Windows Server 2022 Datacenter": "windows", "Windows 11 Enterprise": "windows", "Red Hat Enterprise Linux 9": "linux", "Debian": "linux", "appliance": "appliance", "AIX 7.2": "", "macOS": ""} {
		if got := osOf(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestLimitsOfInventories(t *testing.T) {
	var table strings.Builder
	table.WriteString("IP\n")
	for i := range maxInventoryHosts + 1 {
		fmt.Fprintf(&table, "10.%d.%d.%d\n", i>>16, i>>8&255, i&255)
	}
	_, problems := siteWith("hosts_from:\n  - {file: a.csv, kind: csv, columns: {address: IP}}\n", map[string]string{"a.csv": table.String()})
	if len(problems) != 1 || !strings.Contains(problems[0].String(), "a.csv:65538:1: more than 65536 hosts from inventories") {
		t.Errorf("too many hosts: %v", problems)
	}
	wide, long := "IP,Name\n", strings.Repeat("x", 4000)
	var rows strings.Builder
	for i := range 4096 {
		fmt.Fprintf(&rows, "10.0.%d.%d,%s%d\n", i>>8, i&255, long, i)
	}
	wide += rows.String()
	v := &Inventory{File: "a.csv", Kind: "csv", Columns: Columns{Address: ColumnNames{"IP"}, Name: "Name"}}
	if _, problems := importWith(v, func(string) ([]byte, error) { return []byte(wide), nil }); len(problems) != 1 || !strings.Contains(problems[0].String(), "the site file would have") {
		t.Errorf("too much to type: %v", problems)
	}
	var site strings.Builder
	site.WriteString("hosts_from:\n")
	for i := range maxInventories + 1 {
		fmt.Fprintf(&site, "  - {file: a%d.csv, kind: csv, columns: {address: IP}}\n", i)
	}
	_, problems = siteWith(site.String(), nil)
	if len(problems) != 1 || !strings.Contains(problems[0].What, "17 inventories") {
		t.Errorf("too many files: %v", problems)
	}
}

// An inventory lies where the site file says, from where that lies; other files are told from it.
func TestInventoryFiles(t *testing.T) {
	dir := t.TempDir()
	site := filepath.Join(dir, "site.yaml")
	if err := os.WriteFile(site, []byte("hosts_from:\n  - {file: lists/a.csv, kind: csv, columns: {address: IP}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, problems := LoadSite(site); len(problems) != 1 || !strings.Contains(problems[0].String(), "site.yaml:2:12: cannot read the inventory "+filepath.Join(dir, "lists/a.csv")+": no such file or directory") {
		t.Errorf("absent: %v", problems)
	}
	if err := os.MkdirAll(filepath.Join(dir, "lists", "a.csv"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, problems := LoadSite(site); len(problems) != 1 || !strings.Contains(problems[0].String(), "not a regular file") {
		t.Errorf("a directory: %v", problems)
	}
	if err := os.Remove(filepath.Join(dir, "lists", "a.csv")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "lists", "a.csv"), []byte("IP\n10.0.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, problems := LoadSite(site)
	if s == nil {
		t.Fatal(problems)
	}
	v := s.HostsFrom[0]
	if v.Size != 12 || v.SHA256 != hash([]byte("IP\n10.0.0.1\n")) || v.Path != filepath.Join(dir, "lists", "a.csv") {
		t.Errorf("%+v", v)
	}
	if pos, ok := s.Listed(s.Hosts[0]); !ok || pos.Line != 2 || !s.ListsAddress(netip.MustParseAddr("10.0.0.1")) || s.ListsAddress(netip.MustParseAddr("10.0.0.2")) {
		t.Errorf("listed at %v", pos)
	}
}

// FuzzImport holds that what is imported loads as a site with the same hosts, and that no list of hosts takes a site down.
func FuzzImport(f *testing.F) {
	for i, name := range []string{"servers.csv", "ansible.json", "computers.csv", "dhcpd.leases"} {
		data, err := os.ReadFile("testdata/sites/inventories/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), data)
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		v := &Inventory{File: "list", Kind: InventoryKinds()[int(kind)%4], Roles: []RoleRule{{Name: "*1*", Roles: []string{"p/r"}}}}
		if v.Kind == "csv" {
			v.Columns = Columns{Address: ColumnNames{"IP"}, Name: "Hostname", Names: "FQDN", OS: "System"}
		}
		m, problems := importWith(v, func(string) ([]byte, error) { return data, nil })
		if (m == nil) != Failed(problems) {
			t.Fatalf("imported %v with problems %v", m, problems)
		}
		if m == nil {
			return
		}
		if v.Rows < v.Hosts || v.Hosts == 0 {
			t.Fatalf("%d hosts of %d rows", v.Hosts, v.Rows)
		}
		s, problems := LoadSiteBytes("list.yaml", m.Text)
		if s == nil {
			t.Fatalf("%v\n%s", problems, m.Text)
		}
		again, _ := LoadSiteWith("s", []byte("hosts_from: [{file: list, kind: "+v.Kind+", columns: {address: ["+strings.Join(v.Columns.Address, ",")+"], name: "+orQuotes(v.Columns.Name)+", names: "+orQuotes(v.Columns.Names)+
			", os: "+orQuotes(v.Columns.OS)+"}, roles: [{name: \"*1*\", roles: [p/r]}]}]\n"), func(string) ([]byte, error) { return data, nil })
		if again == nil {
			t.Fatal("a site that names the list does not load")
		}
		for i := range max(len(s.Hosts), len(again.Hosts)) {
			a, b := s.Hosts[i], again.Hosts[i]
			if a.Name != b.Name || addressTexts(a) != addressTexts(b) || a.OS != b.OS || !slices.Equal(a.Names, b.Names) || !slices.Equal(a.Roles, b.Roles) {
				t.Fatalf("host %d is %+v typed and %+v read", i, a, b)
			}
		}
	})
}

func orQuotes(s string) string {
	if s == "" {
		return `""`
	}
	return s
}
