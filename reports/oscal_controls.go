package reports

import (
	"fmt"
	"strings"
)

// ControlSet is the controls of one framework that an audit of traffic can be supporting evidence for. It never is the test that the
// framework defines: that examines configuration, approvals and people.
type ControlSet struct {
	Name     string // as Look.Controls names it
	Title    string
	controls []mappedControl
}

type mappedControl struct {
	id    string // OSCAL token
	shows string // what traffic contributes
}

// ControlSets lists the frameworks in the order that help shows.
var ControlSets = []ControlSet{
	{"nist-800-53", "NIST SP 800-53 revision 5", []mappedControl{
		{"cm-7", "functions, ports, protocols and services that were in use"},
		{"cm-7.1", "a periodic look for those that are not documented"},
		{"ac-4", "flows between parts of the system, against the documented ones"},
		{"ca-9", "internal connections that were in use"},
		{"sc-7", "connections across the networks of the site"},
		{"sc-7.5", "connections beyond the documented ones, so exceptions to deny by default"}}},
	{"pci-dss-4.0.1", "PCI DSS 4.0.1", []mappedControl{
		{"pci-1.2.5", "services, protocols and ports that were in use; the requirement is tested by examining configurations"},
		{"pci-1.2.6", "protocols in clear that were in use"}}},
	{"iso-27001-2022", "ISO/IEC 27001:2022 annex A", []mappedControl{
		{"a.8.20", "traffic between the networks' hosts"},
		{"a.8.21", "network services in use"},
		{"a.8.22", "traffic between groups of services and systems"}}},
	{"iec-62443", "IEC 62443-3-2, zones and conduits", []mappedControl{
		{"iec-62443-conduits", "protocols, ports and directions of the traffic that a conduit carried"}}},
}

// ControlSetByName finds a framework.
func ControlSetByName(name string) (ControlSet, error) {
	var names []string
	for _, s := range ControlSets {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return ControlSet{}, fmt.Errorf("unknown set of controls %q; use one of %s", name, strings.Join(names, ", "))
}

const supportingOnly = "Supporting evidence only: a capture shows traffic, not configuration, approval or intent. Documented is not approved. No control is found satisfied or not satisfied by this audit."

// oscalReviewedOf says which controls the audit supports, none unless the user names them.
func oscalReviewedOf(names []string) (oscalReviewed, error) {
	r := oscalReviewed{Description: "The objectives are documented flows, not controls. " + supportingOnly}
	for _, name := range names {
		set, err := ControlSetByName(name)
		if err != nil {
			return r, err
		}
		s := oscalSelection{Description: escapeMarkdown(set.Title) + ". " + supportingOnly}
		var lines []string
		for _, c := range set.controls {
			s.Include = append(s.Include, oscalControl{c.id})
			lines = append(lines, escapeMarkdown(c.id+": "+c.shows))
		}
		s.Remarks = strings.Join(lines, "\n\n")
		r.Selections = append(r.Selections, s)
	}
	if len(r.Selections) == 0 {
		r.Selections = []oscalSelection{{Description: "No control was named for this audit. The identifier stands in its place, because the format demands one.", Include: []oscalControl{{"no-control-named"}}}}
	}
	return r, nil
}
