package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// naiveName is what a name means, by looping over everything: the entry that is the name, else the longest wildcard above it; host and roles each by themselves.
func naiveName(packs []*Pack, site *Site, name string) (host string, roles []string) {
	best := -1
	fits := func(entry string) int {
		entry = strings.ToLower(entry)
		if entry == name {
			return 1000
		}
		if suffix, wild := strings.CutPrefix(entry, "*"); wild && strings.HasSuffix(name, suffix) {
			return len(suffix)
		}
		return -1
	}
	for _, h := range site.Hosts {
		for _, entry := range h.Names {
			if n := fits(entry); n > best {
				best, host = n, h.Name
			}
		}
	}
	best = -1
	for _, p := range packs {
		for _, r := range p.Roles {
			for _, entry := range r.Names {
				switch n := fits(entry); {
				case n < 0 || n < best:
				case n > best:
					best, roles = n, []string{p.Name + "/" + r.Name}
				default:
					roles = append(roles, p.Name+"/"+r.Name)
				}
			}
		}
	}
	slices.Sort(roles)
	return host, slices.Compact(roles)
}

func TestNamesAgainstNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	entries := []string{"a.example", "b.example", "x.a.example", "*.example", "*.a.example", "*.x.a.example", "Example", "*.b.example"}
	asked := append([]string{"y.x.a.example", "z.a.example", "nothing.test", "example", "c.b.example", "q.example", ""}, "a.example", "b.example", "x.a.example")
	for range 200 {
		var packs []*Pack
		for p := range 2 {
			var b strings.Builder
			fmt.Fprintf(&b, "name: pack-%d\nkind: local\ntitle: T\nroles:\n", p)
			for i := range 3 {
				fmt.Fprintf(&b, "  - {name: r%d, title: T, names: [%q, %q]}\n", i, pick(r, entries...), pick(r, entries...))
			}
			b.WriteString("flows:\n  - {id: f, title: T, from: [r0, r1], to: [r2], occurrence: on-demand, proto: tcp, ports: [\"1\"]}\n")
			pack, problems := LoadPackBytes("p", []byte(b.String()))
			if pack == nil {
				t.Fatal(problems)
			}
			packs = append(packs, pack)
		}
		r.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		text := fmt.Sprintf("name: s\nhosts:\n  - {name: h0, addresses: [10.0.0.1], names: [%q, %q], roles: [pack-0/r0]}\n  - {name: h1, names: [%q]}\n", entries[0], entries[1], entries[2])
		site, problems := LoadSiteBytes("s", []byte(text))
		if site == nil {
			t.Fatal(problems)
		}
		set, problems := Compile(packs, site)
		if set == nil {
			t.Fatal(problems)
		}
		for _, name := range asked {
			host, roles := naiveName(packs, site, name)
			m := set.ByName(name)
			if m == nil {
				m = &Meaning{}
			}
			got := ""
			if m.Host != nil {
				got = m.Host.Name
			}
			if got != host || !slices.Equal(m.Roles, roles) {
				t.Fatalf("%q: host %q, roles %q; naive %q, %q\n%s", name, got, m.Roles, host, roles, text)
			}
		}
	}
}

func TestNamed(t *testing.T) {
	pack := strings.Replace(demoPack, "addresses: [10.0.82.12]}", "addresses: [10.0.82.12], names: [portal.example]}\n  - {name: proxy, title: P, addresses: [10.0.82.12, 10.0.82.13], names: [proxy.example]}", 1)
	pack += "  - {id: proxy, title: t, from: [agent], to: [proxy], proto: tcp, ports: [\"8087\"], occurrence: on-demand, cite: [{document: d, section: s}]}\n"
	p, problems := LoadPackBytes("demo.yaml", []byte(pack))
	if p == nil {
		t.Fatal(problems)
	}
	site, problems := LoadSiteBytes("site.yaml", []byte(strings.Replace(demoSite, "{name: proxy, addresses: [10.1.0.80]}", "{name: proxy, addresses: [10.1.0.80], names: [inner.example]}\n  - {name: cloud, names: [\"*.cloud.example\"], roles: [demo/server]}\n  - {name: near, addresses: [10.0.82.13], roles: [demo/agent]}", 1)))
	if site == nil {
		t.Fatal(problems)
	}
	set, problems := Compile([]*Pack{p}, site)
	if set == nil {
		t.Fatal(problems)
	}
	portal, proxy := set.ByName("portal.example"), set.ByName("proxy.example")
	for _, c := range []struct {
		address string
		by      *Meaning
		want    string
	}{
		{"10.0.82.12", portal, "- demo/minimum demo/network demo/portal any"},
		{"10.0.82.12", proxy, "- demo/minimum demo/network demo/proxy any"},
		{"10.0.82.12", set.Together(portal, proxy), "- demo/minimum demo/network demo/portal demo/proxy any"},
		{"10.0.82.12", set.ByName("x.cloud.example"), "cloud demo/minimum demo/network demo/portal demo/proxy demo/server any"},
		{"198.51.100.1", portal, "- demo/portal any internet"},
		{"198.51.100.1", set.ByName("inner.example"), "proxy any internet"},
		{"10.0.82.13", portal, "near demo/agent demo/minimum demo/network demo/proxy any"}, // the site knows this host
		{"10.0.82.13", proxy, "near demo/agent demo/minimum demo/network demo/proxy any"},
		{"10.1.0.1", proxy, "a1 demo/agent demo/network any"},
	} {
		m := set.Named(set.Lookup(addr(c.address), 0), c.by)
		got := "-"
		if m.Host != nil {
			got = m.Host.Name
		}
		for _, r := range m.Roles {
			got += " " + r.Role
		}
		if got != c.want {
			t.Errorf("%s by %v: got %s, want %s", c.address, c.by.Roles, got, c.want)
		}
		if set.Named(set.Lookup(addr(c.address), 0), c.by) != m {
			t.Errorf("%s: two questions, two memberships", c.address)
		}
	}
	if set.ByName("nobody.example") != nil || portal.Documents(addr("10.0.82.13")) || !proxy.Documents(addr("10.0.82.13")) || len(set.ByName("x.cloud.example").Stated()) > 0 {
		t.Error("meanings")
	}
}
