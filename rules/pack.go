// Package rules holds what the vendors document (packs), what a site declares (the site file), and the compiled set that
// answers, for a connection, which documented flows could cover it.
package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
)

// Kind of a pack.
type Kind string

const (
	Vendor   Kind = "vendor"   // a product's own documentation
	Baseline Kind = "baseline" // platform traffic; matches only bound responders, satisfies no vendor expectation
	Local    Kind = "local"    // a site's own approved flows
)

// Status of a pack or site: how far it can be relied on. The zero value is one that somebody wrote or reviewed.
type Status string

// DraftStatus is what a program drafted, and nobody has reviewed yet.
const DraftStatus Status = "draft"

// Pack is one file: what one product's documentation says. YAML and JSON use the same keys.
type Pack struct {
	Name           string            `yaml:"name" json:"name"`
	Kind           Kind              `yaml:"kind" json:"kind"`
	Title          string            `yaml:"title" json:"title"`
	ProductVersion string            `yaml:"product_version" json:"product_version"`
	Status         Status            `yaml:"status" json:"status,omitempty"`
	Documents      []Document        `yaml:"documents" json:"documents"`
	SourceRanges   map[string]string `yaml:"source_ranges" json:"source_ranges"` // OS family -> "FIRST-LAST" where the document states one
	Roles          []Role            `yaml:"roles" json:"roles"`
	Conditions     []Condition       `yaml:"conditions" json:"conditions"`
	Flows          []*Flow           `yaml:"flows" json:"flows"`

	SHA256 string `yaml:"-" json:"-"` // of the file's bytes
	File   string `yaml:"-" json:"-"` // path as given, "" if embedded

	places places
	ranges map[string]PortRange // SourceRanges, parsed
}

// Document is a source that flows cite.
type Document struct {
	ID    string `yaml:"id" json:"id"`
	Title string `yaml:"title" json:"title"`
	Date  string `yaml:"date" json:"date"` // as the document states it, "" if it does not
	File  string `yaml:"file" json:"file"` // the document's own file name; "" for a public source cited by title (RFC, vendor page)
}

// Role is a part that a host plays in a pack. The reserved names any, internet, broadcast and multicast are never declared.
type Role struct {
	Name      string   `yaml:"name" json:"name"`
	Title     string   `yaml:"title" json:"title"`
	Addresses []string `yaml:"addresses" json:"addresses"` // documented addresses and prefixes: hold the role without a site's word
	Names     []string `yaml:"names" json:"names"`         // documented host names
}

// Condition is a fact about the deployment that the site turns on or off.
type Condition struct {
	Name    string `yaml:"name" json:"name"`
	Title   string `yaml:"title" json:"title"`
	Default string `yaml:"default" json:"default"` // on, off or unknown
}

// Flow is one documented flow. Keys left out of the YAML get the default named here.
type Flow struct {
	ID         string   `yaml:"id" json:"id"`
	Title      string   `yaml:"title" json:"title"`
	From       []string `yaml:"from" json:"from"`             // roles of this pack, or reserved ones
	To         []string `yaml:"to" json:"to"`                 // roles of this pack, or reserved ones
	Originator string   `yaml:"originator" json:"originator"` // "from" (default) or "either": the document's <-->
	Proto      string   `yaml:"proto" json:"proto"`           // tcp, udp, icmp (both versions), any, unstated, or another word of protocols

	// Ports of the responder: "9876", "63000-64000", "dynamic" (the responder OS's ephemeral range), "any", "unstated"; empty for icmp.
	Ports      []string `yaml:"ports" json:"ports"`
	PortsMode  string   `yaml:"ports_mode" json:"ports_mode"`   // "all" (default): each listed port is used; "alternatives": one of them is configured
	PairedWith string   `yaml:"paired_with" json:"paired_with"` // flow whose port on the same responder is coupled with this one's: 80 with 443, else HTTPS = HTTP + 1

	ICMPTypes   []int  `yaml:"icmp_types" json:"icmp_types"`     // ICMPv4 numbers, 0-255, empty is any; each stands for its ICMPv6 counterpart too (8 for 128)
	AnnouncedBy string `yaml:"announced_by" json:"announced_by"` // rpc-endpoint-mapper, tftp, ftp or "": what opens a dynamic port
	SourcePorts string `yaml:"source_ports" json:"source_ports"` // "ephemeral" (default), "any", or a fixed port or range
	Reply       string `yaml:"reply" json:"reply"`               // "expected" (default) or "none"

	Need        string `yaml:"need" json:"need"`                 // required, optional, conditional, unstated (default)
	Occurrence  string `yaml:"occurrence" json:"occurrence"`     // periodic, once, on-demand: our reading, explained in Note
	Condition   string `yaml:"condition" json:"condition"`       // condition of this pack; "!name" holds when it is off
	Scope       string `yaml:"scope" json:"scope"`               // wan (the To side is outside the site's networks), lan (inside), or ""
	SatisfiedBy string `yaml:"satisfied_by" json:"satisfied_by"` // "any" (default): one host of the To role is enough; "each"

	Proxy        bool `yaml:"proxy" json:"proxy"`               // may run through a web proxy that the site names
	Configurable bool `yaml:"configurable" json:"configurable"` // the document lets a site choose another port

	Encryption          string   `yaml:"encryption" json:"encryption"`                     // required, expected (on by default, configurable), forbidden, unstated (default)
	EncryptionProtocols []string `yaml:"encryption_protocols" json:"encryption_protocols"` // of encryptionWords; empty is any
	Reference           bool     `yaml:"reference" json:"reference"`                       // a list without roles: names platform traffic, expects nothing

	Cite []Cite `yaml:"cite" json:"cite"`
	Note string `yaml:"note" json:"note"`

	Pack *Pack `yaml:"-" json:"-"`
	Pos  Pos   `yaml:"-" json:"-"`

	from, to []string // in qualified form; nil before the pack is checked
}

// Cite says where a document states a flow.
type Cite struct {
	Document string `yaml:"document" json:"document"` // id of one of the pack's documents
	Lines    string `yaml:"lines" json:"lines"`       // "109-111" or "33"; "" for a public source
	Section  string `yaml:"section" json:"section"`   // heading, note, table row or clause
}

// Ref is the flow's qualified name, "pack/id".
func (f *Flow) Ref() string { return f.Pack.Name + "/" + f.ID }

// FromRoles are the roles of From in qualified form: "pack/role", a reserved name, or "host:NAME" for a host of the site that one of its own flows names.
// They are not to be changed.
func (f *Flow) FromRoles() []string {
	if f.from != nil {
		return f.from
	}
	return f.Pack.qualifyAll(f.From)
}

// ToRoles are the roles of To in qualified form. They are not to be changed.
func (f *Flow) ToRoles() []string {
	if f.to != nil {
		return f.to
	}
	return f.Pack.qualifyAll(f.To)
}

func (p *Pack) qualifyAll(names []string) []string {
	qualified := make([]string, len(names))
	for i, name := range names {
		qualified[i] = p.qualify(name)
	}
	return qualified
}

// qualify resolves a role name of this pack's flows. Only a local pack may name roles of other packs and hosts.
func (p *Pack) qualify(name string) string {
	switch {
	case slices.Contains(reservedRoles, name):
		return name
	case p.Kind != Local || slices.ContainsFunc(p.Roles, func(r Role) bool { return r.Name == name }):
		return p.Name + "/" + name
	case strings.Contains(name, "/"):
		return name
	}
	return hostRole + name
}

// hostRole prefixes the role that a host plays by its name alone.
const hostRole = "host:"

// reservedRoles in the order of their role numbers.
var reservedRoles = []string{"any", "internet", "broadcast", "multicast"}

// protocols are the words of a flow's proto key that name IP protocols. The words any and unstated name none.
var protocols = map[string][]flow.Proto{
	"tcp": {flow.TCP}, "udp": {flow.UDP}, "sctp": {flow.SCTP}, "udplite": {flow.UDPLite},
	"icmp": {flow.ICMP, flow.ICMPv6}, "igmp": {flow.IGMP}, "vrrp": {flow.VRRP},
	"esp": {flow.ESP}, "ah": {flow.AH}, "gre": {flow.GRE}, "ospf": {flow.OSPF}, "eigrp": {flow.EIGRP}, "pim": {flow.PIM},
}

// ProtoOf gives the IP protocols that a flow's proto key covers; nil for any and unstated.
func ProtoOf(name string) []flow.Proto { return protocols[name] }

// JSON is the pack as `rules show --format json` prints it, with a final newline.
func (p *Pack) JSON() ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(p); err != nil {
		return nil, fmt.Errorf("encode pack %s: %w", p.Name, err)
	}
	return buf.Bytes(), nil
}
