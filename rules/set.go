package rules

import "net/netip"

// Binding says how an end holds a role, strongest first.
type Binding uint8

const (
	ByAddress  Binding = iota // an exact address of a host entry or a documented one
	ByNetwork                 // a prefix or a range of more than one address
	ByReserved                // any, internet, broadcast, multicast
)

var bindingNames = [...]string{"address", "network", "reserved"}

func (b Binding) String() string { return bindingNames[b] }

// HeldRole is a role that an end holds. Role is "pack/role", "host:NAME" (a host that one of the site's own flows names) or a reserved name.
type HeldRole struct {
	Role string
	By   Binding

	spread uint8 // binary logarithm of the number of addresses that share the binding, rounded up; reservedSpread for reserved roles
}

// Membership is what the site and the packs know of an address at a time. It is shared and never changed: the same holdings give the same pointer.
type Membership struct {
	Host   *Host      // nil where the address is no host of the site
	Inside bool       // inside the site's networks; unspecified, loopback, link-local and broadcast addresses always are
	Roles  []HeldRole // sorted by name, reserved ones last; without the roles of Behind

	// Translation is set where the site declares that this address stands for others: "source-pat" and "lb-snat" addresses
	// play the roles of the hosts in Behind when they originate; a "static" or "destination" address is looked up as its inside host.
	Translation string
	Behind      []*Host // in the site's order

	asOrig, asResp *class
}

// Classes number what the address is as originator and as responder: memberships of equal numbers have the same candidates and source ports.
func (m *Membership) Classes() (orig, resp uint64) { return m.asOrig.id, m.asResp.id }

// PortMatch says how a flow's ports cover a responder port, best first.
type PortMatch uint8

const (
	PortExact PortMatch = iota
	PortRanged
	PortDynamic
	PortAny
	PortUnstated // joins the roles, states no port
	PortOther    // joins the roles, has other ports or another protocol
)

var portMatchNames = [...]string{"exact", "range", "dynamic", "any", "unstated", "other"}

func (m PortMatch) String() string { return portMatchNames[m] }

// Candidate is a flow that joins two ends.
type Candidate struct {
	Flow     *Flow
	From, To HeldRole // the roles by which the originator (From) and the responder (To) play
	Port     PortMatch
	Reversed bool // the flow is `either` and the originator holds one of its To roles
	Proxied  bool // the responder is the site's proxy for this flow; To is then the flow's first To role, which the responder does not hold
}

// State of a condition at a time.
type State uint8

const (
	Unknown State = iota
	On
	Off
)

var stateNames = [...]string{"unknown", "on", "off"}

func (s State) String() string { return stateNames[s] }

// Sight says what the capture can show between two addresses, by the site's vantage points.
type Sight uint8

const (
	NotStated  Sight = iota // the site names no vantage point
	Seen                    // both directions
	SeenOneWay              // one direction only
	NotSeen
)

// Expected is the site's word on an expectation in this period.
type Expected uint8

const (
	AsDocumented Expected = iota
	ExpectedIn            // expected in this period, whatever the flow's occurrence
	NotExpected
)

// Validity of an exception at packet time.
type Validity uint8

const (
	NoException Validity = iota
	Active
	NotYet
	Expired
)

// End is one end of a connection: its address and what Lookup or Responder says of it.
type End struct {
	Addr netip.Addr
	Of   *Membership
}

// PortRange is inclusive at both ends.
type PortRange struct{ First, Last uint16 }

func (r PortRange) Contains(p uint16) bool { return r.First <= p && p <= r.Last }

// Set is packs and site compiled for judging. Its methods are safe for one goroutine; results are shared and must not be changed.
//
//	compile.go   Compile(packs []*Pack, site *Site) (*Set, []Problem)
//	lookup.go    Lookup(netip.Addr, at int64) *Membership; Responder(netip.AddrPort, at int64) (*Membership, uint16); LookupSpan, ResponderSpan
//	             Inside(netip.Addr) bool; Networks() []netip.Prefix; HostsOf(role string) []*Host; Bound(role string) bool
//	             Translated(netip.Addr) (kind string, hosts []*Host); Hidden(*Host) bool; Flow(ref string) *Flow
//	match.go     Candidates(orig, resp *Membership, flow.Proto, port uint16, icmpType uint8) []Candidate
//	             Joining(orig, resp *Membership) []Candidate; Covers(f *Flow, resp *Host, flow.Proto, port uint16, icmpType uint8) PortMatch
//	             ByService(flow.Proto, port uint16, icmpType uint8) []*Flow
//	names.go     ByName(name string) *Meaning; Together(a, b *Meaning) *Meaning; Named(*Membership, *Meaning) *Membership; HasNames() bool; NamedRole(role string) bool; IsProxy(*Host) bool
//	site_payload.go  Unencrypted(*Flow) *Unencrypted; AcceptsDynamic(*Flow) ([]PortRange, bool)
//	ports.go     SourcePorts(orig *Host, f *Flow) (ranges []PortRange, any bool); PortsOf(f *Flow, resp *Host) []PortRange
//	             DynamicPorts(f *Flow, resp *Host) []PortRange; HasDynamic(f *Flow, resp *Host) bool
//	when.go      Condition(f *Flow, at int64) State; Period() (from, until int64); AllowedAt(f *Flow, at int64) bool; Expected(f *Flow, orig *Host) Expected
//	party.go     Sees(orig, resp netip.Addr) Sight
//	             Exception(orig, resp End, flow.Proto, port uint16, at int64) (*Exception, Validity); Background(orig, resp End, flow.Proto, port uint16) *Background
type Set struct {
	Packs []*Pack // in the order of --rules, the site's own flows last as pack "local"
	Site  *Site   // nil without --site

	index
}
