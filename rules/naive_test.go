package rules

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pcapaudit/capture/flow"
)

// naive answers by looping over everything in the words of the files; it shares no code with the compiled set.
type naive struct {
	packs []*Pack
	site  *Site
}

// span reads an address, prefix or range into the numbers of its first and last address.
func (naive) span(text string) (first, last *big.Int, is4 bool) {
	number := func(a netip.Addr) *big.Int { return new(big.Int).SetBytes(a.AsSlice()) }
	if from, to, ok := strings.Cut(text, "-"); ok {
		a := netip.MustParseAddr(from)
		return number(a), number(netip.MustParseAddr(to)), a.Is4()
	}
	if !strings.Contains(text, "/") {
		a := netip.MustParseAddr(text)
		return number(a), number(a), a.Is4()
	}
	p := netip.MustParsePrefix(text)
	size := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
	first = number(p.Addr())
	return first, new(big.Int).Sub(new(big.Int).Add(first, size), big.NewInt(1)), p.Addr().Is4()
}

// within gives the number of addresses of the entry, nil if a is not one of them.
func (n naive) within(text string, a netip.Addr) *big.Int {
	first, last, is4 := n.span(text)
	number := new(big.Int).SetBytes(a.AsSlice())
	if a.Is4() != is4 || number.Cmp(first) < 0 || number.Cmp(last) > 0 {
		return nil
	}
	return new(big.Int).Add(new(big.Int).Sub(last, first), big.NewInt(1))
}

func (n naive) host(a netip.Addr, at time.Time) (*Host, *big.Int) {
	var host *Host
	var size *big.Int
	for _, h := range n.site.Hosts {
		for _, e := range h.Addresses {
			from, _ := time.Parse(time.DateOnly, e.From)
			until, err := time.Parse(time.DateOnly, e.Until)
			if e.From != "" && at.Before(from) || err == nil && !at.Before(until) {
				continue
			}
			if s := n.within(e.Address, a); s != nil && (size == nil || s.Cmp(size) < 0) {
				host, size = h, s
			}
		}
	}
	return host, size
}

func (n naive) inside(a netip.Addr) bool {
	return slices.ContainsFunc(n.site.Networks, func(text string) bool { return n.within(text, a) != nil })
}

// roles gives the roles of an address with the number of addresses that share the binding; -1 for reserved roles.
func (n naive) roles(a netip.Addr, at time.Time) map[string]*big.Int {
	reserved := big.NewInt(-1)
	roles := map[string]*big.Int{"any": reserved}
	host, size := n.host(a, at)
	switch {
	case a.IsMulticast():
		roles["multicast"] = reserved
	case a.String() == "255.255.255.255":
		roles["broadcast"] = reserved
	case !n.inside(a):
		roles["internet"] = reserved
	}
	add := func(role string, size *big.Int) {
		if old := roles[role]; old == nil || size.Cmp(old) < 0 {
			roles[role] = size
		}
	}
	if host != nil {
		for _, r := range host.Roles {
			add(r, size)
		}
	}
	for _, p := range n.packs {
		for _, r := range p.Roles {
			for _, text := range r.Addresses {
				if size := n.within(text, a); size != nil {
					add(p.Name+"/"+r.Name, size)
				}
			}
		}
	}
	return roles
}

func (naive) qualified(p *Pack, role string) string {
	if slices.Contains([]string{"any", "internet", "broadcast", "multicast"}, role) {
		return role
	}
	return p.Name + "/" + role
}

// ports is how the flow's ports cover a service at a host.
func (n naive) ports(f *Flow, host *Host, proto flow.Proto, port uint16, icmpType uint8) PortMatch {
	word := proto.String()
	if word == "icmp6" {
		word = "icmp"
	}
	if f.Proto != word && f.Proto != "any" && f.Proto != "unstated" {
		return PortOther
	}
	if f.Proto == "icmp" {
		if len(f.ICMPTypes) == 0 {
			return PortAny
		}
		if want := map[bool]int{false: int(icmpType), true: map[uint8]int{128: 8, 129: 0}[icmpType]}[proto == flow.ICMPv6]; slices.Contains(f.ICMPTypes, want) && (proto == flow.ICMP || icmpType >= 128) {
			return PortExact
		}
		return PortOther
	}
	list, supplied := f.Ports, false
	for _, o := range n.site.Ports {
		if o.Flow == f.Pack.Name+"/"+f.ID && len(o.To) == 0 {
			list, supplied = o.Ports, true
		}
	}
	for _, o := range n.site.Ports {
		if o.Flow == f.Pack.Name+"/"+f.ID && host != nil && slices.Contains(o.To, host.Name) {
			list, supplied = o.Ports, true
		}
	}
	best := PortOther
	for _, entry := range list {
		match, covered := PortExact, false
		first, last, isRange := strings.Cut(entry, "-")
		switch {
		case entry == "any":
			match, covered = PortAny, !proto.HasPorts() || port != 0
		case entry == "unstated":
			match, covered = PortUnstated, true
		case !proto.HasPorts():
		case entry == "dynamic":
			match = PortDynamic
			ranges := map[string][2]int{"windows": {49152, 65535}, "linux": {32768, 61000}, "windows-pre-vista": {1025, 5000}}
			for os, r := range ranges {
				if (host == nil || host.OS == "" || host.OS == os) && r[0] <= int(port) && int(port) <= r[1] {
					covered = true
				}
			}
		default:
			if !isRange {
				last = first
			} else {
				match = PortRanged
			}
			low, _ := strconv.Atoi(first)
			high, _ := strconv.Atoi(last)
			covered = low <= int(port) && int(port) <= high
		}
		if covered && match < best {
			best = match
		}
	}
	if f.Proto == "unstated" && best != PortOther && !supplied {
		best = PortUnstated
	}
	return best
}

// candidates gives "flow match" for all flows that cover the service between two addresses, sorted.
func (n naive) candidates(orig, resp netip.Addr, at time.Time, proto flow.Proto, port uint16, icmpType uint8) []string {
	host, _ := n.host(resp, at)
	if resp.String() == "255.255.255.255" {
		host = nil
	}
	var found []string
	for _, p := range n.packs {
		for _, f := range p.Flows {
			joins := func(from, to netip.Addr) bool {
				local := n.inside(to) || to.IsMulticast() || to.String() == "255.255.255.255"
				if f.Scope == "lan" && !local || f.Scope == "wan" && local {
					return false
				}
				for _, x := range f.From {
					for _, y := range f.To {
						if n.roles(from, at)[n.qualified(p, x)] != nil && n.roles(to, at)[n.qualified(p, y)] != nil {
							return true
						}
					}
				}
				return false
			}
			if !joins(orig, resp) && !(f.Originator == "either" && joins(resp, orig)) {
				continue
			}
			if match := n.ports(f, host, proto, port, icmpType); match != PortOther {
				found = append(found, fmt.Sprintf("%s/%s %s", p.Name, f.ID, match))
			}
		}
	}
	slices.Sort(found)
	return found
}

// pick is one of the list.
func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// randomPack writes a pack with every kind of flow.
func randomPack(r *rand.Rand, name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\nkind: local\ntitle: T\nroles:\n", name)
	roles := []string{"any", "internet", "broadcast", "multicast"}
	for i := range 2 + r.IntN(5) {
		role := fmt.Sprintf("role-%d", i)
		roles = append(roles, role, role, role)
		addresses := pick(r, "", "", "10.1.0.7", "10.1.1.0/24, 203.0.113.9", "10.0.0.0/8", "fd00::/16", "10.1.0.3-10.1.0.9")
		fmt.Fprintf(&b, "  - {name: %s, title: T, addresses: [%s]}\n", role, addresses)
	}
	b.WriteString("flows:\n")
	for i := range 3 + r.IntN(12) {
		fmt.Fprintf(&b, "  - {id: f-%02d, title: T, from: [%s], to: [%s], originator: %s, occurrence: on-demand, scope: %s, ", i, pick(r, roles...), pick(r, roles...), pick(r, "from", "from", "either"), pick(r, `""`, `""`, "lan", "wan"))
		if proto := pick(r, "tcp", "tcp", "tcp", "udp", "any", "unstated", "icmp"); proto == "icmp" {
			fmt.Fprintf(&b, "proto: icmp, icmp_types: [%s]}\n", pick(r, "", "8", "8, 0"))
		} else {
			fmt.Fprintf(&b, "proto: %s, configurable: true, ports: [%s]}\n", proto, pick(r, `"80"`, `"80", "443"`, `"79-81"`, "dynamic", `"443", dynamic`, "any", "unstated", `"53"`))
		}
	}
	return b.String()
}

// randomSite writes a site over the packs, with nested, overlapping and dated entries.
func randomSite(r *rand.Rand, packs []*Pack) string {
	var roles, flows []string
	for _, p := range packs {
		for _, role := range p.Roles {
			roles = append(roles, p.Name+"/"+role.Name)
		}
		for _, f := range p.Flows {
			if len(f.Ports) > 0 && f.Ports[0] != "unstated" {
				flows = append(flows, p.Name+"/"+f.ID)
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "name: s\nnetworks: [%s]\nhosts:\n", pick(r, "10.1.0.0/16", `10.0.0.0/8, "fd00::/8"`, "10.1.0.0/24"))
	entries := []string{"10.1.0.0/16", "10.1.0.0/24", "10.1.1.0/24", "10.1.0.0-10.1.0.99", `"fd00::/64"`, `"fd00::5"`, "203.0.113.0/28"}
	for i := range 12 {
		entries = append(entries, fmt.Sprintf("10.1.%d.%d", i%2, i))
	}
	r.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	for i := range 8 {
		fmt.Fprintf(&b, "  - name: h%d\n    os: %s\n    addresses:\n      - %s\n      - {address: %s, from: 2026-01-02, until: 2026-01-04}\n", i, pick(r, `""`, "windows", "linux", "windows-pre-vista"), entries[2*i], entries[2*i+1])
		list := []string{pick(r, roles...), pick(r, roles...), pick(r, roles...)}
		slices.Sort(list)
		fmt.Fprintf(&b, "    roles: [%s]\n", strings.Join(slices.Compact(list), ", "))
	}
	b.WriteString("ports:\n")
	for _, f := range flows {
		if r.IntN(3) == 0 {
			fmt.Fprintf(&b, "  - {flow: %s, ports: [%s], to: [%s]}\n", f, pick(r, `"8080"`, `"443"`, "dynamic"), pick(r, "", "h1", "h2, h3"))
		}
	}
	return b.String()
}

func TestAgainstNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const sites, queries = 50, 200
	for range sites {
		var packs []*Pack
		for i := range 1 + r.IntN(3) {
			p, problems := LoadPackBytes("p", []byte(randomPack(r, fmt.Sprintf("pack-%d", i))))
			if p == nil {
				t.Fatal(problems)
			}
			packs = append(packs, p)
		}
		text := randomSite(r, packs)
		site, problems := LoadSiteBytes("s", []byte(text))
		if site == nil {
			t.Fatal(problems, "\n", text)
		}
		set, problems := Compile(packs, site)
		if set == nil {
			t.Fatal(problems, "\n", text)
		}
		model := naive{packs, site}
		for range queries {
			compareWithNaive(t, r, set, model, text)
		}
	}
}

func compareWithNaive(t *testing.T, r *rand.Rand, set *Set, model naive, text string) {
	addrs := []string{fmt.Sprintf("10.1.%d.%d", r.IntN(3), r.IntN(14)), "10.1.0.3", "10.2.0.1", "203.0.113.9", "198.51.100.1", "fd00::5", "fd00::6", "fd00:0:0:1::1", "2001:db8::1", "255.255.255.255", "224.0.0.251", "ff02::fb", "10.1.0.50"}
	orig, resp := netip.MustParseAddr(pick(r, addrs[:len(addrs)-4]...)), netip.MustParseAddr(pick(r, addrs...))
	day := time.Date(2026, 1, 1+r.IntN(5), r.IntN(2)*12, 0, 0, 0, time.UTC)
	proto := pick(r, flow.TCP, flow.TCP, flow.UDP, flow.ICMP, flow.ICMPv6, flow.ESP)
	port, icmpType := pick[uint16](r, 0, 53, 80, 81, 443, 1026, 8080, 40000, 50000, 65000), pick[uint8](r, 0, 3, 8, 128, 129)
	if !proto.HasPorts() {
		port = 0
	}
	a, b := set.Lookup(orig, day.UnixNano()), set.Lookup(resp, day.UnixNano())
	var got []string
	list := set.Candidates(a, b, proto, port, icmpType)
	for _, c := range list {
		got = append(got, c.Flow.Ref()+" "+c.Port.String())
	}
	slices.Sort(got)
	want := model.candidates(orig, resp, day, proto, port, icmpType)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s -> %s %s/%d type %d at %s (-naive +set):\n%s\n%s", orig, resp, proto, port, icmpType, day, diff, text)
	}
	if !slices.IsSortedFunc(list, func(x, y Candidate) int { return int(x.Port) - int(y.Port) }) {
		t.Fatalf("candidates not best first: %v", got)
	}
	held := map[string]bool{}
	for _, role := range b.Roles {
		held[role.Role] = true
		if size := model.roles(resp, day)[role.Role]; size == nil || (role.By == ByAddress) != (size.Cmp(big.NewInt(1)) == 0) || (role.By == ByReserved) != (size.Sign() < 0) {
			t.Fatalf("%s holds %v, naive %v\n%s", resp, role, size, text)
		}
	}
	if len(held) != len(model.roles(resp, day)) {
		t.Fatalf("%s holds %v, naive %v\n%s", resp, b.Roles, model.roles(resp, day), text)
	}
	if again := set.Lookup(netip.AddrFrom16(resp.As16()), day.UnixNano()); again != b {
		t.Fatalf("%s: two lookups, two memberships", resp)
	}
}
