package classify

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pcapaudit/rules"
)

// inventorySet is testPack with a site that has hosts from a table.
func inventorySet(t testing.TB, site, table string) *rules.Set {
	t.Helper()
	p, problems := rules.LoadPackBytes("p.yaml", []byte(testPack))
	fatal(t, problems)
	s, problems := rules.LoadSiteWith("site.yaml", []byte(site), func(string) ([]byte, error) { return []byte(table), nil })
	fatal(t, problems)
	set, problems := rules.Compile([]*rules.Pack{p}, s)
	fatal(t, problems)
	return set
}

const inventorySite = `
name: lab
networks: [10.0.0.0/24, 10.0.1.0/24]
hosts:
  - {name: server-1, addresses: [10.0.0.10], roles: [p/server]}
hosts_from:
  - file: hosts.csv
    kind: csv
    columns: {address: IP, name: Name, names: DNS}
    roles: [{name: "agent*", roles: [p/agent]}]
`

const inventoryTable = `IP,Name,DNS
10.0.0.10,SERVER-1,
10.0.0.1,agent-1,
10.0.0.2,agent-2,
10.0.0.3,agent-3,
10.0.1.1,far,
,named,named.example
,known,known.example
10.0.0.88,hidden,
`

// inventoryText is what an audit says of inventories.
func inventoryText(v *Inventory) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d listed, %d seen\n", v.Hosts, v.Seen)
	for _, h := range v.Unseen {
		fmt.Fprintf(&b, "%s at %s: %s\n", h.Host, h.Listed, h.Reason)
	}
	for _, u := range v.Unlisted {
		fmt.Fprintf(&b, "%s %d\n", u.Address, u.Connections)
	}
	return b.String()
}

const inventoryConns = `
	10.0.0.1:50000 > 10.0.0.10:9876 tcp established
	10.0.0.2:50000 > 10.0.0.10:9876 tcp unanswered
	10.0.0.10:50000 > 10.0.0.3:445 tcp unanswered
	10.0.0.70:50000 > 10.0.0.71:445 tcp unanswered
	10.0.0.70:50001 > 10.0.0.72:445 tcp established
	10.0.1.70:50001 > 203.0.113.9:443 tcp unanswered
	10.0.0.1:50002 > 10.0.0.73:443 tcp established host=known.example
	10.0.0.1:50003 > 10.0.0.255:137 udp one-way
	203.0.113.9:50003 > 10.0.0.74:443 tcp established
`

func TestInventory(t *testing.T) {
	translated := inventorySite + "translations: [{kind: source-pat, inside: [hidden], outside: [10.0.0.99]}]\n"
	for _, c := range []struct{ name, site, conns, want string }{
		{"by traffic", translated, inventoryConns + "\n10.0.0.99:50004 > 10.0.0.10:9876 tcp established\n", `
8 listed, 4 seen
far at hosts.csv:6: not seen, and nothing shows that the capture point sees its network
agent-3 at hosts.csv:5: not seen, though traffic of its network was
hidden at hosts.csv:9: not seen: it is behind a source translation
named at hosts.csv:7: not seen: it is known by its name alone, and no name in the capture was its own
10.0.0.70 2
10.0.0.72 1
10.0.0.74 1
10.0.1.70 1
`},
		{"by vantage", inventorySite + "vantage: [{name: tap, sees: [{from: 10.0.1.0/24, to: internet}]}]\n", "10.0.0.1:50000 > 10.0.0.10:9876 tcp established", `
8 listed, 2 seen
agent-2 at hosts.csv:4: not seen, and nothing shows that the capture point sees its network
agent-3 at hosts.csv:5: not seen, and nothing shows that the capture point sees its network
hidden at hosts.csv:9: not seen, and nothing shows that the capture point sees its network
far at hosts.csv:6: not seen, though the vantage points of the site see its network, in part or as a whole
known at hosts.csv:8: not seen: it is known by its name alone, and no name in the capture was its own
named at hosts.csv:7: not seen: it is known by its name alone, and no name in the capture was its own
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			list := conns(t, c.conns)
			a := New(inventorySet(t, c.site, inventoryTable), Options{})
			for _, conn := range list {
				a.Observe(conn)
			}
			out, err := a.Finish(captureOf(list))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), inventoryText(out.Inventory)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if again, _ := a.Finish(captureOf(list)); inventoryText(again.Inventory) != inventoryText(out.Inventory) {
				t.Error("finished twice, it says something else")
			}
			if refs := out.Site.Inventories; len(refs) != 1 || refs[0].File != "hosts.csv" || refs[0].Hosts != 7 || refs[0].Rows != 8 || len(refs[0].SHA256) != 64 {
				t.Errorf("%+v", refs)
			}
		})
	}
	if out := auditOf(t, 10, 1, "a.pcap"); out.Inventory != nil || out.Site.Inventories != nil {
		t.Error("a site without inventories has some")
	}
}

// A host counts as not seen where no part saw it; other inventories are another site.
func TestCombineInventories(t *testing.T) {
	part := func(name, text, table string) Source {
		list := conns(t, text)
		a := New(inventorySet(t, inventorySite, table), Options{})
		for _, conn := range list {
			a.Observe(conn)
		}
		facts := captureOf(list)
		facts.Inputs[0].Name, facts.Inputs[0].SHA256 = name, strings.Repeat(name[:1], 64)
		out, err := a.Finish(facts)
		if err != nil {
			t.Fatal(err)
		}
		return source(name+".json", out)
	}
	one := part("1", "10.0.0.1:50000 > 10.0.0.10:9876 tcp established\n10.0.0.70:50000 > 10.0.0.10:9876 tcp established", inventoryTable)
	two := part("2", "10.0.0.2:50000 > 10.0.0.10:9876 tcp established\n10.0.0.70:50000 > 10.0.0.10:9876 tcp established", inventoryTable)
	both, err := Combine([]Source{one, two}, Tool{})
	if err != nil {
		t.Fatal(err)
	}
	want := `8 listed, 3 seen
far at hosts.csv:6: not seen, and nothing shows that the capture point sees its network
agent-3 at hosts.csv:5: not seen, though traffic of its network was
hidden at hosts.csv:9: not seen, though traffic of its network was
known at hosts.csv:8: not seen: it is known by its name alone, and no name in the capture was its own
named at hosts.csv:7: not seen: it is known by its name alone, and no name in the capture was its own
10.0.0.70 2
`
	if diff := cmp.Diff(want, inventoryText(both.Inventory)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	other := part("3", "10.0.0.2:50000 > 10.0.0.10:9876 tcp established", inventoryTable+"10.0.0.4,agent-4,\n")
	if _, err := Combine([]Source{one, other}, Tool{}); err == nil || !strings.Contains(err.Error(), "hosts.csv") {
		t.Errorf("inventories that differ: %v", err)
	}
	if text := fmt.Sprint(Compare(one.Audit, other.Audit)); !strings.Contains(text, "hosts.csv that hosts are from is another") {
		t.Errorf("the difference does not tell: %s", text)
	}
}

// Nothing in the lists tells a name, an address or a file.
func TestPseudonymsOfInventories(t *testing.T) {
	list := conns(t, inventoryConns)
	a := New(inventorySet(t, inventorySite, inventoryTable), Options{Warnings: []string{`hosts.csv:2:1: warning: 10.0.0.10 of "SERVER-1" is typed as host "server-1", at site.yaml:5:5; what is typed holds; correct one of the two`}})
	for _, conn := range list {
		a.Observe(conn)
	}
	out, err := a.Finish(captureOf(list))
	if err != nil {
		t.Fatal(err)
	}
	key, _ := testPseudonyms(1)
	hidden, err := key.Pseudonymise(out)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ToLower(string(encoded(t, hidden)))
	for _, secret := range []string{"agent-3", "server-1", "hosts.csv", "10.0.0.", "10.0.1.", "named.example", out.Site.Inventories[0].SHA256} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is told", secret)
		}
	}
	if n := len(hidden.Inventory.Unlisted); n != len(out.Inventory.Unlisted) || n == 0 {
		t.Errorf("%d addresses", n)
	}
}

// Addresses beyond what is remembered are counted.
func TestUnlistedAreBounded(t *testing.T) {
	set := inventorySet(t, strings.Replace(inventorySite, "10.0.1.0/24", "10.1.0.0/16, 10.2.0.0/16", 1), inventoryTable)
	a := New(set, Options{})
	outside := set.Lookup(netip.MustParseAddr("10.1.0.0"), 0)
	for i := range maxUnlistedKept + 10 {
		a.unlisted.saw(a, outside, netip.AddrFrom4([4]byte{10, byte(1 + i>>16), byte(i >> 8), byte(i)}))
	}
	out := a.inventory(&window{})
	if out.Unkept != 10 || len(out.Unlisted) != maxUnlisted || out.MoreUnlisted != maxUnlistedKept-maxUnlisted {
		t.Errorf("%d named, %d more, %d unkept", len(out.Unlisted), out.MoreUnlisted, out.Unkept)
	}
}
