package rules

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"
)

// index is what Compile prepares and what lookups remember. All that lookups remember is bounded.
type index struct {
	roles    []string         // names by role number; the reserved ones first
	roleIDs  map[string]int32 // by qualified name
	byEnd    [][]*compiledFlow
	flows    map[*Flow]*compiledFlow
	byRef    map[string]*compiledFlow
	ordered  []*compiledFlow // by rank
	proxied  map[*Host][]*compiledFlow
	hostsOf  map[string][]*Host
	hostRole map[*Host][]int32 // by site and by own flows, sorted
	number   map[*Host]uint32
	special  map[*Host]bool // hosts that a port override or a proxy names: matched by themselves

	entries    *bart.Table[[]entryOf]      // site hosts
	documented *bart.Table[[]held]         // roles by the packs' own addresses
	inside     *bart.Lite                  // the site's networks
	networks   []netip.Prefix              // as listed
	broadcasts map[netip.Addr]bool         // of the networks
	outside    *bart.Table[[]*translation] // addresses that stand for others
	hidden     map[*Host]bool

	conditions  map[string][]*SiteCondition
	expects     map[string][]*Expect
	hours       map[string][]window
	backgrounds []rule
	exceptions  []rule
	vantage     []sightline

	unencrypted map[*Flow]*Unencrypted
	accepted    map[*Flow]*DynamicRange // nil: flows without an entry of their own
	names       names

	ephemerals map[ephemeralKey][]PortRange
	addresses  map[netip.Addr]dated
	members    map[string]*Membership
	classes    map[string]*class
	pairs      map[uint64]*pair
	remembered int // candidate lists in pairs
	services   map[service][]*Flow
	classOf    *portClasses
}

// held is a role number and how tightly it is bound.
type held struct {
	role   int32
	spread uint8
}

// compiledFlow is a flow ready for matching.
type compiledFlow struct {
	*Flow
	rank      int // by order of packs, then flow id
	protos    [256]bool
	anyProto  bool
	noProto   bool // the document states no protocol
	from, to  []int32
	ports     []portSpec
	overrides []override
	icmp4     *[256]bool // nil: every type
	icmp6     *[256]bool
	source    []PortRange // fixed source ports
	proxies   map[*Host][]portSpec
}

type override struct {
	hosts map[*Host]bool // nil: all
	ports []portSpec
}

// Compile binds a site (nil without one) to packs. The set is nil if any problem is an error. Without packs the site is checked against the embedded ones.
func Compile(packs []*Pack, site *Site) (*Set, []Problem) {
	s := &Set{Packs: slices.Clone(packs), Site: site}
	b := &binder{set: s, known: map[string]*Pack{}, others: map[string]*Pack{}}
	if site != nil {
		b.file, b.places = site.File, site.places
		if site.local != nil {
			s.Packs = append(s.Packs, site.local)
		}
	}
	s.index = newIndex()
	b.packs()
	b.roleNumbers()
	b.flowTable()
	if site != nil {
		b.hosts()
		b.sitePorts()
		b.sitePayload()
		b.siteTimes()
		b.siteParties()
		b.bound()
	}
	b.nameTable()
	b.addresses()
	b.portClasses()
	if Failed(b.problems) {
		return nil, sortProblems(b.problems)
	}
	return s, sortProblems(b.problems)
}

func newIndex() index {
	return index{roleIDs: map[string]int32{}, flows: map[*Flow]*compiledFlow{}, byRef: map[string]*compiledFlow{}, proxied: map[*Host][]*compiledFlow{},
		hostsOf: map[string][]*Host{}, hostRole: map[*Host][]int32{}, number: map[*Host]uint32{}, special: map[*Host]bool{},
		entries: new(bart.Table[[]entryOf]), documented: new(bart.Table[[]held]), inside: new(bart.Lite), broadcasts: map[netip.Addr]bool{},
		outside: new(bart.Table[[]*translation]), hidden: map[*Host]bool{}, conditions: map[string][]*SiteCondition{}, expects: map[string][]*Expect{},
		hours: map[string][]window{}, unencrypted: map[*Flow]*Unencrypted{}, accepted: map[*Flow]*DynamicRange{}, ephemerals: map[ephemeralKey][]PortRange{}, addresses: map[netip.Addr]dated{}, members: map[string]*Membership{},
		classes: map[string]*class{}, pairs: map[uint64]*pair{}, services: map[service][]*Flow{}}
}

// binder resolves the names of a site and of local packs.
type binder struct {
	checker
	set    *Set
	known  map[string]*Pack // chosen packs by name
	others map[string]*Pack // embedded packs that are not chosen, once asked for
	byName map[string]*Host
}

func (b *binder) packs() {
	for _, p := range b.set.Packs {
		if before := b.known[p.Name]; before != nil {
			b.problems = append(b.problems, Problem{Pos: Pos{File: p.File}, What: fmt.Sprintf("the pack %q is chosen twice", p.Name), Do: "name each pack once in --rules"})
			continue
		}
		b.known[p.Name] = p
		if p.Status == DraftStatus {
			b.problems = append(b.problems, Problem{Pos: p.places.at(&p.Status), Severity: Warning, What: fmt.Sprintf("the pack %q is a draft that nobody has reviewed", p.Name),
				Do: "hold each flow against the lines that it cites, then remove status"})
		}
	}
	b.byName = map[string]*Host{}
	if s := b.set.Site; s != nil {
		if s.Status == DraftStatus {
			b.problems = append(b.problems, Problem{Pos: s.places.at(&s.Status), Severity: Warning, What: "the site file is a draft that nobody has reviewed",
				Do: "go through its hosts and roles, correct what is wrong, then remove status"})
		}
		for _, h := range b.set.Site.Hosts {
			b.byName[h.Name] = h
		}
	}
}

// roleNumbers numbers the reserved roles, then those of the packs.
func (b *binder) roleNumbers() {
	for _, name := range reservedRoles {
		b.roleNumber(name)
	}
	for _, p := range b.set.Packs {
		for _, r := range p.Roles {
			id := b.roleNumber(p.Name + "/" + r.Name)
			for _, text := range r.Addresses {
				span, _, _ := parseAddresses(text)
				for _, prefix := range span.prefixes() {
					b.set.documented.Modify(prefix, func(list []held, _ bool) ([]held, bool) { return append(list, held{id, span.spread()}), false })
				}
			}
		}
	}
}

func (b *binder) roleNumber(name string) int32 {
	id, ok := b.set.roleIDs[name]
	if !ok {
		id = int32(len(b.set.roles))
		b.set.roleIDs[name] = id
		b.set.roles = append(b.set.roles, name)
	}
	return id
}

// flowTable compiles the flows of all packs.
func (b *binder) flowTable() {
	s := b.set
	for order, p := range s.Packs {
		for _, f := range p.Flows {
			c := compileFlow(f)
			c.rank = order
			c.from, c.to = b.flowRoles(f, f.From), b.flowRoles(f, f.To)
			s.ordered = append(s.ordered, c)
			s.flows[f], s.byRef[f.Ref()] = c, c
		}
	}
	slices.SortStableFunc(s.ordered, func(x, y *compiledFlow) int { return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(x.ID, y.ID)) })
	s.byEnd = make([][]*compiledFlow, len(s.roles))
	for rank, c := range s.ordered {
		c.rank = rank
		ends := slices.Clone(c.from)
		if c.Originator == "either" {
			ends = append(ends, c.to...)
		}
		slices.Sort(ends)
		for _, id := range slices.Compact(ends) {
			s.byEnd[id] = append(s.byEnd[id], c)
		}
	}
}

func compileFlow(f *Flow) *compiledFlow {
	c := &compiledFlow{Flow: f, anyProto: f.Proto == "any", noProto: f.Proto == "unstated"}
	for _, p := range ProtoOf(f.Proto) {
		c.protos[p] = true
	}
	for _, text := range f.Ports {
		spec, _ := parsePortSpec(text)
		c.ports = append(c.ports, spec)
	}
	if r, what := parseSourcePorts(f.SourcePorts); what == "" {
		c.source = []PortRange{r}
	}
	if len(f.ICMPTypes) > 0 {
		c.icmp4, c.icmp6 = new([256]bool), new([256]bool)
		for _, t := range f.ICMPTypes {
			c.icmp4[t] = true
			for _, six := range icmp6Of[t] {
				c.icmp6[six] = true
			}
		}
	}
	return c
}

// icmp6Of gives the ICMPv6 types (RFC 4443, RFC 4861) that do what an ICMPv4 type (RFC 792) does.
var icmp6Of = map[int][]int{0: {129}, 3: {1, 2}, 5: {137}, 8: {128}, 9: {134}, 10: {133}, 11: {3}, 12: {4}}

// flowRoles numbers a flow's roles. In local packs it resolves those of other packs and hosts.
func (b *binder) flowRoles(f *Flow, names []string) []int32 {
	var ids []int32
	for i, name := range f.Pack.qualifyAll(names) {
		c := checker{file: f.Pos.File, places: f.Pack.places}
		host, isHost := strings.CutPrefix(name, hostRole)
		switch id, ok := b.set.roleIDs[name]; {
		case ok:
			ids = append(ids, id)
		case isHost && b.byName[host] != nil:
			ids = append(ids, b.roleNumber(name))
		case isHost:
			c.fail(fmt.Sprintf("unknown role or host %q", host), meant(host, append(keys(b.byName), reservedRoles...)), &names[i], f)
		default:
			b.resolve(&c, "role", &names[i], roleNames, f)
		}
		b.problems = append(b.problems, c.problems...)
	}
	return ids
}

func roleNames(p *Pack) []string {
	var names []string
	for _, r := range p.Roles {
		names = append(names, r.Name)
	}
	return names
}

func conditionNames(p *Pack) []string {
	var names []string
	for _, c := range p.Conditions {
		names = append(names, c.Name)
	}
	return names
}

func flowNames(p *Pack) []string {
	var names []string
	for _, f := range p.Flows {
		names = append(names, f.ID)
	}
	return names
}

// resolve checks "pack/name" against the chosen packs, and against the embedded ones that are not chosen, so that one site file
// serves audits with different packs. It says whether the pack is chosen and has the name.
func (b *binder) resolve(c *checker, kind string, text *string, names func(*Pack) []string, entry any) bool {
	pack, name, ok := strings.Cut(*text, "/")
	if !ok {
		c.fail(fmt.Sprintf("%q is no qualified %s", *text, kind), qualifiedAdvice(kind, *text, names), text, entry)
		return false
	}
	p, chosen := b.known[pack], true
	if p == nil && slices.Contains(builtinNames(), pack) {
		p, chosen = b.other(pack), false
	}
	if p == nil {
		c.fail(fmt.Sprintf("unknown pack %q", pack), packAdvice(pack, keys(b.known)), text, entry)
		return false
	}
	if !slices.Contains(names(p), name) {
		c.fail(fmt.Sprintf("the pack %s has no %s %q", pack, kind, name), meant(name, names(p)), text, entry)
		return false
	}
	return chosen
}

// other is an embedded pack that is not chosen.
func (b *binder) other(name string) *Pack {
	p, ok := b.others[name]
	if !ok {
		p, _ = loadBuiltin(name)
		b.others[name] = p
	}
	return p
}

func packAdvice(pack string, chosen []string) string {
	all := append(chosen, builtinNames()...)
	slices.Sort(all)
	if n := nearest(pack, all); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return "correct the name or add the pack's file with --rules"
}
