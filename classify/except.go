package classify

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pcapaudit/rules"
)

// errNoException says that no exception can cover a finding.
var errNoException = errors.New("no exception can cover this finding")

// ExceptionStanza is the entry of a site's exceptions that would cover a finding, in YAML. Who answers for it, why and until when is left empty: a site with empty
// ones is refused, so that nobody approves by pasting. A finding without connections is one that nobody saw.
func ExceptionStanza(f *Finding) (string, error) {
	switch {
	case f.Kind != kindConnection:
		return "", fmt.Errorf("%w: it is about %s, and exceptions approve connections", errNoException, strings.ReplaceAll(f.Kind, "-", " "))
	case f.Verdict == "excepted":
		return "", fmt.Errorf("%w: exception %s does already", errNoException, f.Exception)
	case f.Verdict != "deviation" && f.Verdict != "unexpected":
		return "", fmt.Errorf("%w: its verdict is %s, and exceptions approve deviation and unexpected", errNoException, f.Verdict)
	}
	proto := strings.TrimSuffix(f.Proto, "6") // icmp stands for both
	known := rules.ProtoOf(proto)
	port, err := strconv.ParseUint(f.Port, 10, 16)
	switch {
	case len(known) == 0:
		return "", fmt.Errorf("%w: exceptions cannot name the protocol %.40q", errNoException, f.Proto)
	case known[0].HasPorts() && (err != nil || port == 0):
		return "", fmt.Errorf("%w: exceptions cannot name the port %.40q, and without one it would cover every port", errNoException, f.Port)
	}
	var b strings.Builder
	line := func(key, value, remark string) {
		text := "    " + key + ": " + value
		if remark != "" {
			text = fmt.Sprintf("%-24s # %s", text, remark)
		}
		b.WriteString(text + "\n")
	}
	fmt.Fprintf(&b, "  # %s\n", comment(f.Summary))
	if f.Connections > 0 {
		fmt.Fprintf(&b, "  # first seen %s, %s\n", comment(f.First), plural(f.Connections, "connection"))
	}
	if f.satisfies() {
		fmt.Fprintf(&b, "  # what is excepted satisfies no expectation: %s may then be missing, unless the site says under expect: that it need not be\n", comment(f.Flow))
	}
	fmt.Fprintf(&b, "  - id: %s\n", rules.YAMLText("EX-"+f.ID))
	line("from", rules.YAMLText(f.Orig.party()), "")
	line("to", rules.YAMLText(f.Resp.party()), "")
	switch {
	case known[0].HasPorts():
		line("proto", proto, "")
		line("ports", "["+strconv.Quote(f.Port)+"]", "")
	case known[0].IsICMP():
		line("proto", proto, "every type: exceptions do not tell them apart")
	default:
		line("proto", proto, "")
	}
	line("owner", `""`, "required: who answers for the connection")
	line("approver", `""`, "required: who has approved it")
	line("ticket", `""`, "required: where that is recorded")
	line("reason", `""`, "required: why it may be")
	line("until", `""`, "required: 2027-01-31, exclusive; an approval ends")
	return b.String(), nil
}

// satisfies is true where the connections of a finding, as long as no exception covers them, satisfy the expectation of their flow.
func (f *Finding) satisfies() bool {
	return f.Verdict == deviation.String() && !slices.ContainsFunc(unsatisfying.names(), func(why string) bool { return slices.Contains(f.Why, why) })
}

// party is what a site file calls an end: its host, else its address, also where the host's name stands for many or is translated.
func (e EndRef) party() string {
	if strings.ContainsRune(e.Host, ' ') && e.IP != "" {
		return e.IP
	}
	return e.name()
}

// comment keeps text on one line of printable characters.
func comment(s string) string {
	q := strconv.QuoteToGraphic(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// FindFinding gives the finding with this id, or the only one whose id begins so with at least four digits; an error says what else there is.
func (a *Audit) FindFinding(id string) (*Finding, error) {
	var found *Finding
	for i := range a.Findings {
		f := &a.Findings[i]
		switch {
		case f.ID == id:
			return f, nil
		case len(id) < 4 || !strings.HasPrefix(f.ID, id):
		case found != nil && found.ID != f.ID:
			return nil, fmt.Errorf("finding %s is not the only one: %s and %s begin so", id, found.ID, f.ID)
		default:
			found = f
		}
	}
	if found == nil {
		return nil, fmt.Errorf("the audit has no finding %.40q", id)
	}
	return found, nil
}
