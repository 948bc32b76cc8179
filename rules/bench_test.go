package rules

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// wideSite has 1,000 hosts that hold roles of every embedded pack, one to three each.
func wideSite(t testing.TB) *Site {
	r := rand.New(rand.NewPCG(7, 7))
	var roles []string
	for _, b := range Builtin() {
		for _, role := range mustPack(t, b.Name).Roles {
			roles = append(roles, b.Name+"/"+role.Name)
		}
	}
	var b strings.Builder
	b.WriteString("networks: [10.1.0.0/16]\nhosts:\n")
	for i := range 1000 {
		role := []string{"acronis-abr-11.5/agent", "configmgr-2012/client", "lan-control/lan-host"}
		if i%10 == 0 {
			role = []string{roles[r.IntN(len(roles))], "acronis-abr-11.5/management-server"}
			if role[0] == role[1] {
				role = role[:1]
			}
		}
		fmt.Fprintf(&b, "  - {name: h%d, addresses: [10.1.%d.%d], os: %s, roles: [%s]}\n", i, i/250, i%250, []string{"windows", "linux"}[i%2], strings.Join(role, ", "))
	}
	site, problems := LoadSiteBytes("wide", []byte(b.String()))
	if site == nil {
		t.Fatal(problems)
	}
	return site
}

// query is one connection to be looked up.
type query struct {
	orig, resp netip.Addr
	proto      flow.Proto
	port       uint16
}

func queries(n int) []query {
	r := rand.New(rand.NewPCG(9, 9))
	host := func() netip.Addr {
		i := r.IntN(1000)
		return netip.AddrFrom4([4]byte{10, 1, byte(i / 250), byte(i % 250)})
	}
	list := make([]query, n)
	for i := range list {
		list[i] = query{host(), host(), flow.TCP, pick[uint16](r, 9876, 443, 80, 445, 135, 8530, 22, 53, 3389, uint16(49152+r.IntN(2000)))}
	}
	return list
}

func benchmarkCandidates(b *testing.B, names ...string) {
	var packs []*Pack
	for _, name := range names {
		packs = append(packs, mustPack(b, name))
	}
	set, problems := Compile(packs, wideSite(b))
	if set == nil {
		b.Fatal(problems)
	}
	list := queries(1 << 16)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		q := list[i&(len(list)-1)]
		set.Candidates(set.Lookup(q.orig, 0), set.Lookup(q.resp, 0), q.proto, q.port, 0)
	}
}

// The cost of a lookup must not grow with the packs: within 2x.
func BenchmarkCandidatesOnePack(b *testing.B)  { benchmarkCandidates(b, "acronis-abr-11.5") }
func BenchmarkCandidatesAllPacks(b *testing.B) { benchmarkCandidates(b, builtinNames()...) }

func BenchmarkLookupScan(b *testing.B) {
	set, _ := Compile([]*Pack{mustPack(b, "acronis-abr-11.5")}, wideSite(b))
	a := netip.MustParseAddr("100.0.0.0")
	b.ReportAllocs()
	for b.Loop() {
		set.Lookup(a, 0)
		a = a.Next()
	}
}

func BenchmarkLoadLargestPack(b *testing.B) {
	for b.Loop() {
		mustPack(b, "configmgr-2012")
	}
}

// A known connection costs no memory.
func TestCandidatesDoNotAllocate(t *testing.T) {
	s := demoSet(t)
	ask := func() {
		s.Candidates(s.Lookup(addr("10.1.0.1"), 0), s.Lookup(addr("10.1.0.10"), 0), flow.TCP, 9876, 0)
	}
	ask()
	if n := testing.AllocsPerRun(100, ask); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// hostsText is a site of n hosts.
func hostsText(n int) []byte {
	var text strings.Builder
	text.WriteString("networks: [10.0.0.0/8]\nhosts:\n")
	for i := range n {
		fmt.Fprintf(&text, "  - {name: h%d, addresses: [10.%d.%d.%d], os: windows, roles: [acronis-abr-11.5/agent, configmgr-2012/client]}\n", i, i>>16, i>>8&255, i&255)
	}
	return []byte(text.String())
}

func compiledHosts(b *testing.B, packs []*Pack, text []byte) *Set {
	site, problems := LoadSiteBytes("site", text)
	if site == nil {
		b.Fatal(problems)
	}
	set, problems := Compile(packs, site)
	if set == nil {
		b.Fatal(problems)
	}
	return set
}

// Loading and compiling a site takes time in proportion to its hosts.
func BenchmarkLoadSite(b *testing.B) {
	packs := []*Pack{mustPack(b, "acronis-abr-11.5"), mustPack(b, "configmgr-2012")}
	for _, n := range []int{100, 1000, 10_000, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			text := hostsText(n)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				compiledHosts(b, packs, text)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/host")
		})
	}
}

// A lookup of hosts that are known takes the same time in a site of any size, but for the caches of the processor.
func BenchmarkLookupBySite(b *testing.B) {
	packs := []*Pack{mustPack(b, "acronis-abr-11.5"), mustPack(b, "configmgr-2012")}
	for _, n := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			set := compiledHosts(b, packs, hostsText(n))
			r := rand.New(rand.NewPCG(1, 1))
			pairs := make([][2]netip.Addr, 1<<12)
			for i := range pairs {
				for k := range pairs[i] {
					host := r.IntN(n)
					pairs[i][k] = netip.AddrFrom4([4]byte{10, byte(host >> 16), byte(host >> 8), byte(host)})
				}
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p := pairs[i&(len(pairs)-1)]
				set.Candidates(set.Lookup(p[0], 0), set.Lookup(p[1], 0), flow.TCP, 9876, 0)
			}
		})
	}
}
