// Package classify judges connections against the documented flows: verdicts, expectations, findings, and the Audit
// model that every report renders.
package classify

// Schema names the version of the audit JSON.
const Schema = "pcapaudit.audit/1"

// Audit is everything a report may say: complete, sorted and totalled before any writer sees it. The JSON report is this
// value; every other format renders from it. Times are RFC 3339 UTC with nine digits, "" where unknown.
type Audit struct {
	Schema       string         `json:"schema"`
	Tool         Tool           `json:"tool"`
	Invocation   *Invocation    `json:"invocation,omitempty"` // a combined audit has none
	Parts        []Part         `json:"parts,omitempty"`      // the audits of a combined one
	Result       Result         `json:"result"`
	Inputs       []Input        `json:"inputs"`
	Packs        []PackRef      `json:"packs"`
	Site         *SiteRef       `json:"site"`                 // null without --site
	Rules        []RulesHeld    `json:"rules_held,omitempty"` // in order, where packs or site changed while the capture went on; Packs and Site are the last
	Period       Period         `json:"period"`
	Packets      PacketLedger   `json:"packet_ledger"`
	Connections  ConnLedger     `json:"connection_ledger"`
	Coverage     Coverage       `json:"coverage"`
	Totals       []Total        `json:"totals"` // by verdict, in the order of verdictNames, zero rows included
	Kinds        []KindTotal    `json:"kinds"`  // connections with a flow, by kind of its pack and verdict
	Baseline     []FlowTotal    `json:"baseline"`
	Flows        []FlowTotal    `json:"flows"` // vendor and local flows with traffic
	Findings     []Finding      `json:"findings"`
	Overflow     uint64         `json:"findings_overflow"` // connections that deserve a finding beyond the limit of 65536; they count for the result
	Expectations []Expectation  `json:"expectations"`
	OutOfScope   []ReasonTotal  `json:"out_of_scope"`
	Unverified   []ReasonTotal  `json:"unverified"` // what could not be checked on documented connections
	Encryption   Encryption     `json:"encryption"`
	Observations []Observation  `json:"observations"` // about services in use, for a reader: they change no result
	Timeline     Timeline       `json:"timeline"`
	Matrix       []MatrixCell   `json:"matrix"` // who opened what to whom, by role; empty without a site
	SourcePorts  []PortProfile  `json:"source_ports"`
	Exceptions   []ExceptionUse `json:"exceptions"`
	Inventory    *Inventory     `json:"inventory,omitempty"`     // where the site has hosts from inventories
	Compared     *Compared      `json:"compared_with,omitempty"` // the older audit that tells which findings are new
	Annotations  *Annotated     `json:"annotations,omitempty"`   // the file with what reviewers say of findings
	Evidence     *EvidenceFile  `json:"evidence_file,omitempty"` // the packets of findings, in a capture file of their own
	Pseudonyms   *Pseudonymised `json:"pseudonyms,omitempty"`    // addresses and names are not the true ones
	Warnings     []string       `json:"warnings"`                // from rules and site: expired exceptions, unused roles ...
	Residuals    []string       `json:"ledger_residuals"`        // ledger lines that do not balance; empty, or the audit is not to be trusted
}

type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Sandbox string `json:"sandbox,omitempty"` // live: what the tool was kept from while it read packets
}

// Result is the answer. Code is the exit code that follows from it alone: 0, 1 or 3.
type Result struct {
	Verdict string   `json:"verdict"` // clean, deviations, inconclusive
	Text    string   `json:"text"`    // "no deviation found in the traffic judged" ...
	Code    int      `json:"code"`
	Reasons []string `json:"reasons"` // each rule that decided, most important first
	LookAt  []string `json:"look_at"` // at most three: what to look at first
	Basis   Basis    `json:"basis"`   // the facts that Verdict and Reasons follow from
}

// Input is one capture file as read.
type Input struct {
	Name        string      `json:"name"` // cleaned of nothing: hostile text, writers clean it
	Format      string      `json:"format"`
	Compression string      `json:"compression"`
	Size        int64       `json:"size"`
	Read        int64       `json:"read"`
	Unread      int64       `json:"unread"`
	SHA256      string      `json:"sha256"` // "" with --hash none
	Packets     uint64      `json:"packets"`
	First       string      `json:"first"`
	Last        string      `json:"last"`
	State       string      `json:"state"` // clean, cut, malformed, limit, interrupted
	Detail      string      `json:"detail"`
	Application string      `json:"application"`
	OS          string      `json:"os"`                // of the host that captured, as the file says
	Machine     string      `json:"machine,omitempty"` // of a live input: tells machines apart, by 16 hex digits that mean nothing else; "" where that is not known
	Interfaces  []Interface `json:"interfaces"`
	Warnings    []string    `json:"warnings"`

	Records []CaptureRecord `json:"capture_records,omitempty"` // what the site says of how the file was made
}

type Interface struct {
	Name     string `json:"name"`
	LinkType uint16 `json:"link_type"`
	SnapLen  uint32 `json:"snaplen"`
	Filter   string `json:"filter"`
	Packets  uint64 `json:"packets"`
	Dropped  uint64 `json:"dropped"`
}

// PackRef identifies a pack.
type PackRef struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`
	Title     string   `json:"title"`
	Version   string   `json:"product_version"`
	Installed string   `json:"installed_version,omitempty"` // and where the site knows it from; "" where it does not say
	SHA256    string   `json:"sha256"`
	File      string   `json:"file"`             // "" if embedded
	Status    string   `json:"status,omitempty"` // "draft" where nobody has reviewed what a program drafted
	Documents []string `json:"documents"`
	Flows     int      `json:"flows"`
}

type SiteRef struct {
	Name   string `json:"name"`
	Status string `json:"status,omitempty"`
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	Hosts  int    `json:"hosts"`

	Inventories []InventoryRef `json:"inventories,omitempty"` // that hosts are from
}

// Period is the time asked for and the time that the capture covers within it.
type Period struct {
	AskedFrom   string `json:"asked_from"`
	AskedUntil  string `json:"asked_until"`
	CoveredFrom string `json:"covered_from"`
	CoveredLast string `json:"covered_last"`
	Gaps        []Gap  `json:"gaps"` // time inside the covered period that no input covers
}

type Gap struct {
	From  string `json:"from"`
	Until string `json:"until"`
}

// Count is a named number.
type Count struct {
	Name    string `json:"name"`
	Packets uint64 `json:"packets"`
}

// PacketLedger is the first promise: packets read = sum of the classes, file bytes = read + unread.
type PacketLedger struct {
	Read    uint64  `json:"read"`
	Bytes   uint64  `json:"bytes"`            // bytes of the files, read part
	Unread  uint64  `json:"unread"`           // bytes of the files that could not be read
	Classes []Count `json:"classes"`          // exclusive, in a fixed order
	Inside  []Count `json:"inside,omitempty"` // packets inside tunnels, by class; Classes count the packets around them
	Detail  []Count `json:"detail"`           // EtherTypes, link types, reasons: "non-ip 0x0806 ARP"
}

// ConnLedger is the second: created = open + emitted, emitted = sum over verdicts (Audit.Totals).
type ConnLedger struct {
	Created uint64  `json:"created"`
	Open    uint64  `json:"open"`
	Emitted uint64  `json:"emitted"`
	Ends    []Count `json:"ends"` // by reason of ending; Packets holds connections
}

// Coverage is what the capture could show, and what this report therefore cannot.
type Coverage struct {
	Filter       string  `json:"filter"`       // what was left out of the audit by the user's wish, and how many packets; "" without a filter
	Duplicates   uint64  `json:"duplicates"`   // packets that were identical copies of others, not counted twice
	Dropped      uint64  `json:"dropped"`      // packets that the capture says it lost
	LossPercent  float64 `json:"loss_percent"` // dropped / (read + dropped)
	LossBound    float64 `json:"loss_bound"`
	Truncated    uint64  `json:"truncated"` // packets cut by snaplen
	Undecoded    uint64  `json:"undecoded"`
	TCPBoth      uint64  `json:"tcp_both"`      // TCP connections seen in both directions
	TCPOneSided  uint64  `json:"tcp_one_sided"` // in one direction only; unanswered attempts are not counted
	Evicted      uint64  `json:"evicted"`
	TimeBackward uint64  `json:"time_backward"`

	HeadersCut     uint64     `json:"headers_cut"`     // packets cut by snaplen within their headers, which nobody can judge
	CaptureFilters []string   `json:"capture_filters"` // that the inputs name, or the site for them; hostile text
	Loss           Loss       `json:"loss"`
	Inspection     Inspection `json:"inspection"`
	CannotShow     []string   `json:"cannot_show"` // sentences, always at least one

	Live      []LiveInterface `json:"live,omitempty"`       // interfaces that were watched
	Blind     []BlindTime     `json:"blind,omitempty"`      // times in which one of them was not, in order, at most 1000
	MoreBlind int             `json:"more_blind,omitempty"` // further ones; Period.Gaps has all
}

// Loss is an estimate of the TCP packets that the capture should hold and does not: from data that was acknowledged and never seen, and
// from handshakes seen half. Lost acknowledgements and other protocols are not in it.
type Loss struct {
	Packets     uint64     `json:"packets"` // seen, of the connections that the estimate rests on
	Missed      uint64     `json:"missed"`
	Percent     float64    `json:"percent"`     // missed / (packets + missed)
	Connections uint64     `json:"connections"` // of TCP whose sequence numbers were followed
	Unfollowed  uint64     `json:"unfollowed"`  // that were not, because too many were open
	Pairs       []PairLoss `json:"pairs"`       // of networks, the greatest share first, at most 20
	OtherPairs  int        `json:"other_pairs"` // further ones
}

// PairLoss is the estimate for two networks. Connections of which one direction was captured count as a loss where the site's vantage
// points see both.
type PairLoss struct {
	From        string  `json:"from"` // prefixes, in order
	To          string  `json:"to"`
	Packets     uint64  `json:"packets"`
	Missed      uint64  `json:"missed"`
	Percent     float64 `json:"percent"`
	AboveBound  bool    `json:"above_bound"`
	WorstMinute string  `json:"worst_minute"` // the one with most missed packets, "" if nothing was missed
	WorstMissed uint64  `json:"worst_missed"`
	Connections uint64  `json:"connections"`
	OneSided    uint64  `json:"one_sided"`
	Vantage     bool    `json:"vantage"` // the vantage points see both directions
}

// Total counts connections by verdict.
type Total struct {
	Verdict     string `json:"verdict"`
	Connections uint64 `json:"connections"`
	Packets     uint64 `json:"packets"`
	Bytes       uint64 `json:"bytes"`
}

// KindTotal counts the connections that flows of one kind of pack cover.
type KindTotal struct {
	Kind        string `json:"kind"` // vendor, baseline, local
	Verdict     string `json:"verdict"`
	Connections uint64 `json:"connections"`
	Bytes       uint64 `json:"bytes"`
}

type FlowTotal struct {
	Flow        string `json:"flow"`
	Title       string `json:"title"`
	Service     string `json:"service"`
	Connections uint64 `json:"connections"`
	Bytes       uint64 `json:"bytes"`
	OrigHosts   int    `json:"orig_hosts"`
	RespHosts   int    `json:"resp_hosts"`
	Note        string `json:"note"` // "condition x is not stated by the site", else ""

	// Connections by what identifies the responder, where its role has documented names.
	ByName    uint64 `json:"by_name,omitempty"`    // DNS told the originator that the address has the name
	ByClaim   uint64 `json:"by_claim,omitempty"`   // the originator's own word: SNI, HTTP Host
	ByAddress uint64 `json:"by_address,omitempty"` // the documented address; no name was seen
}

type ReasonTotal struct {
	Reason      string `json:"reason"`
	Connections uint64 `json:"connections"`
	Bytes       uint64 `json:"bytes"`
}

// Finding is what a person should look at: connections of one kind folded, or something that did not happen.
type Finding struct {
	ID       string   `json:"id"`       // 16 hex digits of a hash of kind, verdict, why, flow, hosts, protocol, port; no times
	Kind     string   `json:"kind"`     // connection, expectation, coupled-ports, silent-host, question, mutual-tls, name-claim, name-drift
	Severity string   `json:"severity"` // high, medium, low, info
	Verdict  string   `json:"verdict"`  // of the connections, or the status of the expectation
	Original string   `json:"original"` // the verdict that an exception turned into excepted, else ""
	Why      []string `json:"why"`
	Flow     string   `json:"flow"`    // the documented flow, "" if none
	Nearest  string   `json:"nearest"` // one sentence naming the nearest documented flow
	Summary  string   `json:"summary"` // one line: who, what, whom
	Reason   string   `json:"reason"`  // one sentence: what is wrong, against which flow; Cite has the lines
	Look     string   `json:"look"`    // the first thing to look at
	Decides  bool     `json:"decides"` // counts for the result

	Orig    EndRef `json:"orig"`
	Resp    EndRef `json:"resp"`
	Proto   string `json:"proto"`
	Port    string `json:"port"`    // responder port, "type 8" for ICMP, "" if none
	Service string `json:"service"` // "tcp/9877"

	Connections uint64         `json:"connections"`
	Bytes       uint64         `json:"bytes"`
	Outcomes    []OutcomeCount `json:"outcomes"`
	SourcePorts string         `json:"source_ports"` // "20000" or "20000-20007"
	First       string         `json:"first"`
	Last        string         `json:"last"`
	Evidence    []Evidence     `json:"evidence"`  // at most 5, the first in the inputs
	Exception   string         `json:"exception"` // id of the exception that applies, or that had expired
	Hosts       []string       `json:"hosts"`     // expectation findings: the originating hosts concerned
	Cite        []string       `json:"cite"`      // "001_….txt:288-300"

	Standing   string      `json:"standing,omitempty"`   // known or new, against Audit.Compared
	Annotation *Annotation `json:"annotation,omitempty"` // what a reviewer says of it
}

// EndRef is one end of a finding.
type EndRef struct {
	Host  string   `json:"host"`  // site host, "" if unknown
	IP    string   `json:"ip"`    // of the first connection
	Roles []string `json:"roles"` // without the reserved ones

	Name       string `json:"name,omitempty"`        // of a responder in the first connection, as the originator knows it
	NameOrigin string `json:"name_origin,omitempty"` // dns, sni, http (the originator's claims), dhcp, netbios, capture
}

type OutcomeCount struct {
	Outcome     string `json:"outcome"`
	Connections uint64 `json:"connections"`
}

// Evidence points to a connection in the inputs.
type Evidence struct {
	ID     string `json:"id"` // connection id FILE:PACKET
	File   string `json:"file"`
	Packet uint64 `json:"packet"`
	Time   string `json:"time"`
	Last   string `json:"last"` // of its packets; "" where the evidence is one packet
	Orig   string `json:"orig"` // address:port
	Resp   string `json:"resp"`
	Told   string `json:"told"` // what its payload showed, with the packet, where a finding rests on that: "HTTP request in clear, packet 4711"
}

// Encryption is what the payloads of documented connections show of the documented encryption, by flow. What broke it is a finding.
type Encryption struct {
	Verified    []EncryptionUse `json:"verified"`             // encryption is documented, and was seen
	NotVerified []EncryptionGap `json:"not_verified"`         // the payload does not tell; their sum is the line "encryption" of Audit.Unverified
	Cleartext   []CleartextUse  `json:"documented_cleartext"` // seen in clear, and nothing documented says otherwise
	ClientCerts []ClientCertUse `json:"client_certificates"`  // of flows documented with mutual TLS
}

// EncryptionUse counts connections of a flow by what encrypted them: "TLS 1.3".
type EncryptionUse struct {
	Flow        string `json:"flow"`
	Service     string `json:"service"`
	How         string `json:"how"`
	Connections uint64 `json:"connections"`
	Bytes       uint64 `json:"bytes"`
}

// EncryptionGap counts connections of a flow of which the payload does not tell, by the reason.
type EncryptionGap struct {
	Flow        string `json:"flow"`
	Service     string `json:"service"`
	Reason      string `json:"reason"`
	Connections uint64 `json:"connections"`
	Bytes       uint64 `json:"bytes"`
}

// CleartextUse counts connections of a flow by what was seen in clear.
type CleartextUse struct {
	Flow        string `json:"flow"`
	Service     string `json:"service"`
	What        string `json:"what"`  // "HTTP request in clear"
	Basis       string `json:"basis"` // whose word allows it: document (it forbids encryption), unstated (the document does not speak of encryption), site
	Connections uint64 `json:"connections"`
	Bytes       uint64 `json:"bytes"`
}

// ClientCertUse counts the encrypted connections of a flow with mutual TLS by what shows of the originator's certificate.
type ClientCertUse struct {
	Flow         string `json:"flow"`
	Service      string `json:"service"`
	Requested    uint64 `json:"requested"`
	NotRequested uint64 `json:"not_requested"` // a finding of its own
	Hidden       uint64 `json:"hidden"`        // TLS 1.3 encrypts the request: not verifiable
	Unknown      uint64 `json:"unknown"`       // the handshake was not read that far
}

// Observation is a remark about a service: a version of long ago, a weak setting.
type Observation struct {
	Note        string   `json:"note"` // "TLS 1.0 in use"
	Service     string   `json:"service"`
	Hosts       int      `json:"hosts"` // responders
	Connections uint64   `json:"connections"`
	Sample      Evidence `json:"sample"` // the first in the inputs
}

// Expectation is one documented flow applied to the hosts that should originate it.
type Expectation struct {
	Flow       string        `json:"flow"`
	Title      string        `json:"title"`
	Service    string        `json:"service"`
	Need       string        `json:"need"`
	Occurrence string        `json:"occurrence"`
	From       []string      `json:"from"`
	To         []string      `json:"to"`
	Hosts      int           `json:"hosts"`    // originating hosts
	Statuses   []StatusCount `json:"statuses"` // observed, missing, attempted, not-observed, not-triggered, not-testable; zero rows left out
	Summary    string        `json:"summary"`  // "584 of 600 observed, 9 missing, 4 silent, 3 not testable"
	Open       []HostStatus  `json:"open"`     // hosts that are not observed, at most 1000 of them
	Observed   []string      `json:"observed"` // hosts that are, at most 1000 of them
	Samples    []Evidence    `json:"samples"`  // connections that satisfied it
	Cite       []string      `json:"cite"`
}

type StatusCount struct {
	Status string `json:"status"`
	Hosts  int    `json:"hosts"`
}

type HostStatus struct {
	Host   string `json:"host"`
	Status string `json:"status"`
	Reason string `json:"reason"`

	Cause   string `json:"cause"`   // of not-testable: site, silent, vantage, blind
	Decides bool   `json:"decides"` // counts for the result

	Missed []Gap `json:"missed_windows,omitempty"` // windows of the site's schedule without a use, the last 100
	Due    int   `json:"due_windows,omitempty"`    // windows that ended in the time covered
}

// Timeline counts connections by start, in equal buckets.
type Timeline struct {
	From    string           `json:"from"`
	Seconds float64          `json:"bucket_seconds"`
	Buckets []TimelineBucket `json:"buckets"` // at most 96
	Losses  []LossSpan       `json:"losses"`  // in order, at most 129
}

type TimelineBucket struct {
	Documented uint64 `json:"documented"`
	Unexpected uint64 `json:"unexpected"`
	Deviation  uint64 `json:"deviation"`
	Other      uint64 `json:"other"`
}

// PortProfile is the source ports that a host used as originator on documented TCP and UDP flows.
type PortProfile struct {
	Host        string   `json:"host"`
	OS          string   `json:"os"`
	Documented  []string `json:"documented"`
	Lowest      uint16   `json:"lowest"`
	Highest     uint16   `json:"highest"`
	Connections uint64   `json:"connections"`
	Outside     uint64   `json:"outside"`
}

// ExceptionUse says what an exception did.
type ExceptionUse struct {
	ID          string `json:"id"`
	Ticket      string `json:"ticket"`
	Owner       string `json:"owner"`
	Approver    string `json:"approver"`
	Reason      string `json:"reason"`
	Since       string `json:"since,omitempty"`
	Until       string `json:"until"`
	State       string `json:"state"`       // used, unused, expired (it fitted connections after its end only)
	Connections uint64 `json:"connections"` // excepted by it
	Expired     uint64 `json:"expired"`     // that it fitted after its end
}

// Judgement is the verdict of one connection, as audit --connections adds it.
type Judgement struct {
	Verdict    string   `json:"verdict"`
	Why        []string `json:"why"`
	Flow       string   `json:"flow"`
	SharedWith []string `json:"shared_with"`
	Match      string   `json:"match"`              // identified, network, port-only
	MatchBy    string   `json:"match_by,omitempty"` // of a responder whose role has documented names: name (DNS told the originator), claim (the originator's own word: SNI, HTTP Host), address (documented, no name was seen)
	Names      []string `json:"names"`              // of the responder as the originator knows it, then names that anybody may know, then the originator's claims
	Unverified []string `json:"unverified"`
	Original   string   `json:"original,omitempty"`  // the verdict that an exception turned into excepted
	Exception  string   `json:"exception,omitempty"` // its id
	Note       string   `json:"note,omitempty"`      // documented although its condition is not known
}
