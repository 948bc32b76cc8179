package rules

import (
	"fmt"
	"strings"
)

// The part of a site that only payloads can be held against: names, encryption, announced ports.

// names checks the names by which a host is known.
func (k *siteChecker) names(h *Host) {
	for i := range h.Names {
		text := &h.Names[i]
		if what, do := badHostName(*text); what != "" {
			k.fail(what, do, text, h)
			continue
		}
		name := strings.ToLower(*text)
		if before := k.known[name]; before != nil {
			k.fail(fmt.Sprintf("the name %s is given twice, first to host %q", *text, before.Name), "keep it at one host", text, h)
		}
		k.known[name] = h
	}
}

// badHostName says what is wrong with a host name or a wildcard, and what to do; "" if nothing is.
func badHostName(name string) (what, do string) {
	for _, c := range name {
		if c > '~' {
			return fmt.Sprintf("%q is not written in A-labels", name), "write internationalised names as they are on the wire: xn--..."
		}
	}
	if !hostForm.MatchString(name) || len(name) > 253 || strings.Trim(name, "0123456789.") == "" {
		return fmt.Sprintf("%q is no host name", name), "write a name such as portal.example.com or *.example.com"
	}
	return "", ""
}

// unencrypted checks what the site says about flows that are encrypted by default.
func (k *siteChecker) unencrypted() {
	for i := range k.site.Encryption {
		e := &k.site.Encryption[i]
		k.oneOf("state", &e.State, e, switchedWords...)
		k.answered(fmt.Sprintf("encryption of %q is switched off", e.Flow), e.Source, e.Approver, e)
		for j := range i {
			if o := &k.site.Encryption[j]; o.Flow == e.Flow {
				k.fail(fmt.Sprintf("encryption of %q is switched off twice, first at %s", e.Flow, k.places.at(o)), "keep one", e)
			}
		}
	}
}

// dynamic checks which ranges of ports the site accepts without an announcement.
func (k *siteChecker) dynamic() {
	for i := range k.site.Dynamic {
		d := &k.site.Dynamic[i]
		k.oneOf("accept", &d.Accept, d, acceptedWords...)
		k.answered("ports are accepted without an announcement", d.Source, d.Approver, d)
		if d.Range != "" {
			r, what := parsePortRange(d.Range)
			if what != "" {
				k.fail(fmt.Sprintf("the range %q %s", d.Range, what), "write FIRST-LAST with ports from 1 to 65535", &d.Range, d)
			}
			d.ports = r
		}
		for j := range i {
			if o := &k.site.Dynamic[j]; o.Flow == d.Flow {
				k.fail(fmt.Sprintf("a dynamic range is accepted twice for the same flows, first at %s", k.places.at(o)), "keep one", d)
			}
		}
	}
}

// answered checks that somebody answers for a statement that weakens the audit.
func (k *siteChecker) answered(what, source, approver string, entry any) {
	if source == "" || approver == "" {
		k.fail(what+" without source or approver", "add source (where that is known from) and approver", entry)
	}
}

// sitePayload applies the site's word on encryption and dynamic ports.
func (b *binder) sitePayload() {
	s := b.set
	for i := range s.Site.Encryption {
		e := &s.Site.Encryption[i]
		f := b.flowNamed(&e.Flow, e)
		if f == nil {
			continue
		}
		switch f.Encryption {
		case "expected":
			s.unencrypted[f.Flow] = e
		case "required":
			b.fail(fmt.Sprintf("the document demands that %s is encrypted", f.Ref()), "remove it; approve the deviation with an exception", e)
		default:
			b.fail(fmt.Sprintf("the document does not say that %s is encrypted", f.Ref()), "remove it", e)
		}
	}
	for i := range s.Site.Dynamic {
		d := &s.Site.Dynamic[i]
		if d.Flow == "" {
			s.accepted[nil] = d
		} else if f := b.flowNamed(&d.Flow, d); f != nil {
			if f.AnnouncedBy == "" {
				b.fail(fmt.Sprintf("nothing announces the ports of %s", f.Ref()), "remove it, or change the flow's ports with ports", d)
			}
			s.accepted[f.Flow] = d
		}
	}
}

// Unencrypted is the site's word that it has switched off the encryption of a flow, nil where it has not.
func (s *Set) Unencrypted(f *Flow) *Unencrypted { return s.unencrypted[f] }

// AcceptsDynamic says whether the site accepts ports of a flow that nothing announced, and which: nil is the whole dynamic range of the flow.
func (s *Set) AcceptsDynamic(f *Flow) (ranges []PortRange, ok bool) {
	d := s.accepted[f]
	if d == nil {
		d = s.accepted[nil]
	}
	if d == nil || f.AnnouncedBy == "" {
		return nil, false
	}
	if d.ports != (PortRange{}) {
		ranges = []PortRange{d.ports}
	}
	return ranges, true
}
