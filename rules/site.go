package rules

// Site is one file: who plays which role where, and what is known about the capture. Every field is optional but Hosts or HostsFrom.
// YAML is read strictly; positions of entries are kept for messages.
type Site struct {
	Name         string          `yaml:"name"`
	Status       Status          `yaml:"status"`
	Networks     []string        `yaml:"networks"` // prefixes inside; empty: the private and link-local ranges and the hosts' own addresses
	Hosts        []*Host         `yaml:"hosts"`    // those typed come first, then those of the inventories
	HostsFrom    []*Inventory    `yaml:"hosts_from"`
	Conditions   []SiteCondition `yaml:"conditions"`
	Ports        []PortOverride  `yaml:"ports"`
	Encryption   []Unencrypted   `yaml:"encryption"`
	Dynamic      []DynamicRange  `yaml:"dynamic"`
	Proxies      []Proxy         `yaml:"proxies"`
	Translations []Translation   `yaml:"translations"`
	Installed    []Installed     `yaml:"installed"`
	Captures     []CaptureRecord `yaml:"captures"`
	Vantage      []Vantage       `yaml:"vantage"` // empty: a pair is visible only where two-way traffic between its networks was seen
	Period       Period          `yaml:"period"`  // empty: all that the capture covers
	Hours        []Hours         `yaml:"hours"`   // allowed hours of documented flows; empty: any time
	Expect       []Expect        `yaml:"expect"`
	Background   []Background    `yaml:"background"`
	Exceptions   []*Exception    `yaml:"exceptions"`
	Flows        []LocalFlow     `yaml:"flows"` // approved flows of the site's own; they form the pack "local"
	Limits       Limits          `yaml:"limits"`

	SHA256 string `yaml:"-"`
	File   string `yaml:"-"`

	places places
	local  *Pack // Flows as a pack; nil without any
	listed listing
}

// Host is a name with addresses and roles; one that is known by its names alone needs no addresses. The most specific address entry wins; two equal ones that are valid at the same time are an error.
type Host struct {
	Name           string      `yaml:"name"`
	Addresses      []AddrEntry `yaml:"addresses"`
	OS             string      `yaml:"os"`           // windows-pre-vista, windows, linux, appliance (as linux); "" is unknown: the union of the ranges
	Roles          []string    `yaml:"roles"`        // "pack/role"
	Names          []string    `yaml:"names"`        // by which responders are known: "vault.example.com", or "*.example.com" for every name below; A-labels
	SourceRange    string      `yaml:"source_range"` // overrides the OS's ephemeral range: "FIRST-LAST"
	ExpectedActive bool        `yaml:"expected_active"`
	Pos            Pos         `yaml:"-"`

	ephemeral PortRange // SourceRange, parsed; zero where empty
}

// AddrEntry is an address, a prefix or a range "FIRST-LAST", in YAML a plain string or {address, from, until}.
type AddrEntry struct {
	Address string `yaml:"address"`
	From    string `yaml:"from"`  // RFC 3339 or date; "" is open
	Until   string `yaml:"until"` // exclusive; "" is open
	Pos     Pos    `yaml:"-"`

	span  addrRange
	valid interval
}

// SiteCondition sets a pack's condition. Several entries for one name with different dates are allowed.
type SiteCondition struct {
	Name  string `yaml:"name"`  // "pack/condition"
	State string `yaml:"state"` // on, off, unknown
	From  string `yaml:"from"`
	Until string `yaml:"until"`

	valid interval
}

// PortOverride replaces the ports of a flow, for all responders or for some.
type PortOverride struct {
	Flow     string   `yaml:"flow"` // "pack/flow"
	Ports    []string `yaml:"ports"`
	To       []string `yaml:"to"`       // host names; empty: every responder
	Source   string   `yaml:"source"`   // where the site knows it from
	Approver string   `yaml:"approver"` // obligatory where the document states no port
}

// Unencrypted says that the site has switched off the encryption of a flow that is encrypted by default.
type Unencrypted struct {
	Flow     string `yaml:"flow"`  // "pack/flow"
	State    string `yaml:"state"` // off
	Source   string `yaml:"source"`
	Approver string `yaml:"approver"`
}

// DynamicRange accepts every port of the dynamic range where a document wants the port announced by a control connection.
type DynamicRange struct {
	Flow     string `yaml:"flow"`   // "pack/flow"; "" is every flow with announced ports
	Accept   string `yaml:"accept"` // range
	Range    string `yaml:"range"`  // "50000-50100", as rpccfg narrows it; "" is the range of the responder's OS
	Source   string `yaml:"source"`
	Approver string `yaml:"approver"`

	ports PortRange // Range, parsed; zero where empty
}

// Proxy is a web proxy: flows with proxy: true may go to it instead of to their responder.
type Proxy struct {
	Host  string   `yaml:"host"` // host name of this site
	Ports []string `yaml:"ports"`
	Flows []string `yaml:"flows"` // "pack/flow"; empty: every flow with proxy: true
}

// Translation is an address translation between the hosts and the capture point.
type Translation struct {
	Kind    string   `yaml:"kind"`    // source-pat, static, destination, lb-snat
	Inside  []string `yaml:"inside"`  // host names, addresses or prefixes behind it
	Outside []string `yaml:"outside"` // addresses that the capture shows instead; for destination and static "ADDR" or "ADDR:PORT"
	Port    uint16   `yaml:"port"`    // destination: the inside port, 0 if unchanged
	Note    string   `yaml:"note"`
}

// Installed says which version of a pack's product the site runs. It changes no verdict: a report shows it beside the version that the documents are about.
type Installed struct {
	Pack    string `yaml:"pack"` // by name; it may be one that an audit does not choose
	Version string `yaml:"version"`
	Source  string `yaml:"source"` // where the site knows it from
}

// Vantage is a capture point and the pairs of networks whose traffic it sees.
type Vantage struct {
	Name string `yaml:"name"`
	Sees []Pair `yaml:"sees"`
}

// CaptureRecord says how captures were made and in whose hands they were. It changes no verdict; a
// filter is taken as one that the file names: absence proves nothing unless the site states its vantage. File and Interface say of which captures: both hold where
// both are given.
type CaptureRecord struct {
	File      string    `yaml:"file"`      // pattern of path.Match for the base name; with a slash in it, for the name as the audit has it
	Interface string    `yaml:"interface"` // that the file names
	Device    string    `yaml:"device"`    // that captured: a probe, a switch and its mirror port
	Method    string    `yaml:"method"`    // span, tap, host, other
	Filter    string    `yaml:"filter"`    // of the capture; "" is none known
	Clock     Clock     `yaml:"clock"`
	Operator  string    `yaml:"operator"`
	Custody   []Custody `yaml:"custody"` // in the order of events
}

// Clock is the clock behind the times of packets.
type Clock struct {
	Source string `yaml:"source"` // NTP, PTP, GPS, free-running, as the site words it
	Offset string `yaml:"offset"` // from UTC as measured, a Go duration: "+12ms", "-1.5s"; "" is unknown
}

// Custody is one event in the life of a capture file.
type Custody struct {
	Who  string `yaml:"who"`
	When string `yaml:"when"` // RFC 3339 or date
	What string `yaml:"what"`
}

// Pair of prefixes or host names. Both directions unless OneWay.
type Pair struct {
	From   string `yaml:"from"` // prefix, host name, "inside", "internet" or "any"
	To     string `yaml:"to"`
	OneWay bool   `yaml:"one_way"`
}

// Period is the time that is judged; ends open where empty.
type Period struct {
	From  string `yaml:"from"`
	Until string `yaml:"until"` // exclusive

	valid interval
}

// Hours are wall-clock hours in which flows may run.
type Hours struct {
	Flows []string `yaml:"flows"` // "pack/flow" or "pack/*"; empty: every flow
	Days  []string `yaml:"days"`  // mon ... sun; empty: every day
	From  string   `yaml:"from"`  // "22:00"
	Until string   `yaml:"until"` // "06:00" of the next day if not after From
	Zone  string   `yaml:"zone"`  // IANA time zone
}

// Expect changes what is expected in this period, or says with a schedule when a flow is expected: once in each window of the time that the capture covers.
type Expect struct {
	Flow   string   `yaml:"flow"`   // "pack/flow"
	Hosts  []string `yaml:"hosts"`  // originating hosts; empty: all
	Period string   `yaml:"in"`     // "period": expected in this period; "not": not expected; may be left out beside a schedule
	Every  string   `yaml:"every"`  // night (22:00-06:00 unless At says otherwise), day or 24h, or a duration that divides the hours: "1h"; "" is no schedule
	At     string   `yaml:"at"`     // hours in which the windows lie, "22:00-06:00" (of the next day if not after); empty: the whole day
	Within string   `yaml:"within"` // how late after a window a use may come: "15m"; empty: not at all
	Days   []string `yaml:"days"`   // mon ... sun, on which the hours begin; empty: every day
	Zone   string   `yaml:"zone"`   // IANA time zone of At and of days; empty: UTC
	Reason string   `yaml:"reason"`

	schedule *Schedule // nil without Every
}

// Background is traffic that is out of scope by the site's word.
type Background struct {
	From   string   `yaml:"from"` // host name, address, prefix, role, any, internet, broadcast, multicast
	To     string   `yaml:"to"`
	Proto  string   `yaml:"proto"` // "" is any
	Ports  []string `yaml:"ports"` // empty is any
	Reason string   `yaml:"reason"`

	// Carrier says that it is a tunnel: what it carries is judged, where it can be opened.
	Carrier bool `yaml:"carrier"`
}

// Exception is an approved deviation. It is judged at packet time.
type Exception struct {
	ID       string   `yaml:"id"`
	From     string   `yaml:"from"` // host name, address, prefix, role, any, internet
	To       string   `yaml:"to"`
	Proto    string   `yaml:"proto"`
	Ports    []string `yaml:"ports"`
	Owner    string   `yaml:"owner"`
	Approver string   `yaml:"approver"`
	Reason   string   `yaml:"reason"`
	Ticket   string   `yaml:"ticket"`
	Since    string   `yaml:"since"`
	Until    string   `yaml:"until"` // exclusive; obligatory
	Pos      Pos      `yaml:"-"`

	valid interval
}

// LocalFlow is an approved flow of the site: a documented flow with the site's own authority. From and To name hosts or qualified roles.
type LocalFlow struct {
	ID          string   `yaml:"id"`
	Title       string   `yaml:"title"`
	From        []string `yaml:"from"`
	To          []string `yaml:"to"`
	Proto       string   `yaml:"proto"`
	Ports       []string `yaml:"ports"`
	Occurrence  string   `yaml:"occurrence"` // default on-demand
	Need        string   `yaml:"need"`       // default optional
	SourcePorts string   `yaml:"source_ports"`
	Encryption  string   `yaml:"encryption"`
	AnnouncedBy string   `yaml:"announced_by"`
	Reply       string   `yaml:"reply"` // "expected" (default) or "none"

	EncryptionProtocols []string `yaml:"encryption_protocols"`

	Owner         string `yaml:"owner"`
	Justification string `yaml:"justification"`
	Approver      string `yaml:"approver"`
	Date          string `yaml:"date"`
}

// Limits tighten the built-in rules; a looser value than the default is an error.
type Limits struct {
	LossPercent *float64 `yaml:"loss_percent"` // default 1
}
