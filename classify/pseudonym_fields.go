package classify

import (
	"encoding/hex"
	"net/netip"
	"reflect"
	"strings"
)

// treatment says what becomes of a string.
type treatment uint8

const (
	undecided  treatment = iota // nobody has said: it becomes a token
	keep                        // words of this program, numbers, times
	asHost                      // a host as the audit names it, or a name
	asAddress                   // addresses, with port or prefix length
	asRole                      // kept where it is an embedded pack's
	asFlow                      // kept where it is an embedded pack's
	asPack                      // kept where it is embedded
	asPackText                  // title, version, document, citation: kept where an embedded pack has it
	asPackHash                  // kept where it is an embedded pack's
	asFile                      // a path
	asRule                      // an embedded pack by name, else a path
	asHash                      // of something that only its owner has
	asID                        // of a finding
	asInterface
	asException
	asTicket
	asPerson
	asSite
	asPrivate // a person's own words, or another program's
	asText    // sentences of this program, with names in them
	asWarning // the same, which may begin with a path
	asFilter  // of a capture: in the language of tcpdump
)

// kinds are the tokens of treatments that always give one.
var kinds = map[treatment]string{undecided: "text", asFile: "file", asInterface: "interface", asException: "exception", asTicket: "ticket", asPerson: "person", asSite: "site", asPrivate: "text"}

// late is true for sentences: what they may name is known only after everything else was replaced.
func (t treatment) late() bool { return t == asText || t == asWarning || t == asFilter }

// treatments has an entry for every string, and list of strings, in an audit and in a judgement.
var treatments = map[string]treatment{
	"Audit.Schema": keep, "Audit.Warnings": asWarning, "Audit.Residuals": asText,
	"Tool.Name": keep, "Tool.Version": keep, "Tool.Sandbox": keep,
	"Invocation.Captures": asFile, "Invocation.Rules": asRule, "Invocation.Nets": asAddress, "Invocation.Hosts": asAddress, "Invocation.Ports": keep, "Invocation.Since": keep,
	"Invocation.Until": keep, "Invocation.Key": keep, "Invocation.TunnelPorts": keep, "Invocation.Hash": keep,
	"Part.File": asFile, "Part.SHA256": asHash, "Part.Verdict": keep, "Part.CoveredFrom": keep, "Part.CoveredLast": keep, "Part.Filter": asText,
	"Result.Verdict": keep, "Result.Text": keep, "Result.Reasons": asText, "Result.LookAt": asText,
	"Basis.Cut": asText, "Basis.PairLoss": asText,
	"Input.Name": asFile, "Input.Format": keep, "Input.Compression": keep, "Input.SHA256": asHash, "Input.First": keep, "Input.Last": keep, "Input.State": keep, "Input.Detail": asText,
	"Input.Machine": asHash, "Input.Application": asPrivate, "Input.OS": asPrivate, "Input.Warnings": asText,
	"Interface.Name": asInterface, "Interface.Filter": asFilter,
	"PackRef.Name": asPack, "PackRef.Kind": keep, "PackRef.Title": asPackText, "PackRef.Version": asPackText, "PackRef.SHA256": asPackHash, "PackRef.File": asFile, "PackRef.Status": keep, "PackRef.Documents": asPackText,
	"PackRef.Installed": asPrivate, "RulesHeld.From": keep, "RulesHeld.Until": keep,
	"SiteRef.Name": asSite, "SiteRef.Status": keep, "SiteRef.File": asFile, "SiteRef.SHA256": asHash,
	"InventoryRef.File": asFile, "InventoryRef.Kind": keep, "InventoryRef.SHA256": asHash,
	"Inventory.Doubt": asText, "UnseenHost.Host": asHost, "UnseenHost.Listed": asFile, "UnseenHost.Reason": keep, "UnlistedAddress.Address": asAddress,
	"Period.AskedFrom": keep, "Period.AskedUntil": keep, "Period.CoveredFrom": keep, "Period.CoveredLast": keep, "Gap.From": keep, "Gap.Until": keep,
	"Count.Name":      keep,
	"Coverage.Filter": asText, "Coverage.CaptureFilters": asFilter, "Coverage.CannotShow": asText,
	"LiveInterface.Name": asInterface, "LiveInterface.State": keep, "BlindTime.Interface": asInterface, "BlindTime.From": keep, "BlindTime.Until": keep, "BlindTime.Cause": asText,
	"PairLoss.From": asAddress, "PairLoss.To": asAddress, "PairLoss.WorstMinute": keep,
	"Total.Verdict": keep, "KindTotal.Kind": keep, "KindTotal.Verdict": keep,
	"FlowTotal.Flow": asFlow, "FlowTotal.Title": asPackText, "FlowTotal.Service": keep, "FlowTotal.Note": asText, "ReasonTotal.Reason": keep,
	"Finding.ID": asID, "Finding.Kind": keep, "Finding.Severity": keep, "Finding.Verdict": keep, "Finding.Original": keep, "Finding.Why": keep, "Finding.Flow": asFlow, "Finding.Nearest": asText,
	"Finding.Summary": asText, "Finding.Reason": asText, "Finding.Look": asText, "Finding.Proto": keep, "Finding.Port": keep, "Finding.Service": keep, "Finding.SourcePorts": keep,
	"Finding.First": keep, "Finding.Last": keep, "Finding.Exception": asException, "Finding.Hosts": asHost, "Finding.Cite": asPackText, "Finding.Standing": keep,
	"EndRef.Host": asHost, "EndRef.IP": asAddress, "EndRef.Roles": asRole, "EndRef.Name": asHost, "EndRef.NameOrigin": keep,
	"OutcomeCount.Outcome": keep,
	"Evidence.ID":          keep, "Evidence.File": asFile, "Evidence.Time": keep, "Evidence.Last": keep, "Evidence.Orig": asAddress, "Evidence.Resp": asAddress, "Evidence.Told": asText,
	"EncryptionUse.Flow": asFlow, "EncryptionUse.Service": keep, "EncryptionUse.How": asText, "EncryptionGap.Flow": asFlow, "EncryptionGap.Service": keep, "EncryptionGap.Reason": asText,
	"CleartextUse.Flow": asFlow, "CleartextUse.Service": keep, "CleartextUse.What": asText, "CleartextUse.Basis": keep, "ClientCertUse.Flow": asFlow, "ClientCertUse.Service": keep,
	"Observation.Note": asText, "Observation.Service": keep,
	"Expectation.Flow": asFlow, "Expectation.Title": asPackText, "Expectation.Service": keep, "Expectation.Need": keep, "Expectation.Occurrence": keep, "Expectation.From": asRole,
	"Expectation.To": asRole, "Expectation.Summary": asText, "Expectation.Observed": asHost, "Expectation.Cite": asPackText,
	"StatusCount.Status": keep, "HostStatus.Host": asHost, "HostStatus.Status": keep, "HostStatus.Reason": asText, "HostStatus.Cause": keep,
	"Timeline.From": keep, "LossSpan.From": keep, "LossSpan.Until": keep,
	"MatrixCell.From": asRole, "MatrixCell.To": asRole, "MatrixCell.Flow": asFlow, "MatrixCell.Service": keep, "MatrixCell.Verdict": keep,
	"PortProfile.Host": asHost, "PortProfile.OS": keep, "PortProfile.Documented": keep,
	"ExceptionUse.ID": asException, "ExceptionUse.Ticket": asTicket, "ExceptionUse.Owner": asPerson, "ExceptionUse.Approver": asPerson, "ExceptionUse.Reason": asPrivate,
	"ExceptionUse.Since": keep, "ExceptionUse.Until": keep, "ExceptionUse.State": keep,
	"Compared.File": asFile, "Compared.SHA256": asHash, "Annotated.File": asFile, "Annotated.SHA256": asHash, "Annotated.Stale": asID,
	"Annotation.Disposition": keep, "Annotation.Name": asPerson, "Annotation.Date": keep, "Annotation.Text": asPrivate,
	"CaptureRecord.For": asPrivate, "CaptureRecord.Device": asPrivate, "CaptureRecord.Method": keep, "CaptureRecord.Filter": asFilter, "CaptureRecord.ClockSource": asPrivate,
	"CaptureRecord.ClockOffset": keep, "CaptureRecord.Operator": asPerson, "Custody.Who": asPerson, "Custody.When": keep, "Custody.What": asPrivate,
	"EvidenceFile.File": keep, "EvidenceFile.SHA256": keep, "EvidenceFile.Mode": keep, // written with the audit, and named for its readers
	"Pseudonymised.Key": keep, "Pseudonymised.Sealed": keep,
	"Judgement.Verdict": keep, "Judgement.Why": keep, "Judgement.Flow": asFlow, "Judgement.SharedWith": asFlow, "Judgement.Match": keep, "Judgement.MatchBy": keep, "Judgement.Names": asHost,
	"Judgement.Unverified": keep, "Judgement.Original": keep, "Judgement.Exception": asException, "Judgement.Note": asText,
}

// walk replaces every string in a value, sentences only where late is true and all else only where it is not. Lists and what pointers point to are copied: they may be
// shared, with the packs for one.
func (r *replacer) walk(v reflect.Value, late bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			own := reflect.New(v.Type().Elem())
			own.Elem().Set(v.Elem())
			v.Set(own)
			r.walk(own.Elem(), late)
		}
	case reflect.Slice:
		unshare(v)
		for i := range v.Len() {
			r.walk(v.Index(i), late)
		}
	case reflect.Struct:
		name := v.Type().Name()
		if f := v.FieldByName("Flow"); f.IsValid() && !late {
			r.own = f.String() != "" && !packVocabulary().phrases[f.String()]
		}
		for i := range v.NumField() {
			f := v.Field(i)
			t := treatments[name+"."+v.Type().Field(i).Name]
			switch {
			case f.Kind() == reflect.String:
				if t.late() == late {
					f.SetString(r.replace(t, f.String()))
				}
			case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.String:
				if t.late() == late {
					unshare(f)
					for k := range f.Len() {
						f.Index(k).SetString(r.replace(t, f.Index(k).String()))
					}
				}
			default:
				r.walk(f, late)
			}
		}
	}
}

func unshare(list reflect.Value) {
	if !list.IsNil() {
		own := reflect.MakeSlice(list.Type(), list.Len(), list.Len())
		reflect.Copy(own, list)
		list.Set(own)
	}
}

// replace gives what stands for s.
func (r *replacer) replace(t treatment, s string) string {
	if s == "" || t == keep {
		return s
	}
	s = string([]rune(s)) // as JSON keeps it
	packs := packVocabulary()
	switch t {
	case asHost:
		return r.host(s)
	case asAddress:
		return r.note(s, r.address(s))
	case asRole:
		return r.role(s)
	case asFlow:
		return r.qualified("flow", s)
	case asPack:
		if packs.words[s] {
			return s
		}
		return r.pack(s)
	case asPackText:
		if packs.phrases[s] {
			return s
		}
		return r.token("title", s)
	case asPackHash:
		if packs.hashes[s] {
			return s
		}
		return r.hash(s)
	case asRule:
		if packs.words[s] {
			return s
		}
		return r.token("file", s)
	case asHash:
		return r.hash(s)
	case asID:
		return r.p.findingID(s)
	case asText:
		return r.text(s, packs)
	case asWarning:
		return r.warning(s)
	case asFilter:
		return r.note(s, r.text(s, filterVocabulary))
	}
	return r.token(kinds[t], s)
}

// hash stands for the SHA-256 of something that only its owner has.
func (r *replacer) hash(s string) string {
	sum := r.p.Digest("sha256", s)
	to := hex.EncodeToString(sum[:])
	r.table[to] = s
	return to
}

// PassedOver begins warnings about files beside captures: what follows is a path, and why.
const PassedOver = "passed over "

func (r *replacer) warning(s string) string {
	if rest, ok := strings.CutPrefix(s, PassedOver); ok {
		return PassedOver + r.token("text", rest)
	}
	return r.text(s, packVocabulary())
}

// address replaces what an address is written as: alone, with a port, as a prefix. What is none becomes a token.
func (r *replacer) address(s string) string {
	if to, ok := mapAddress(s, r.p.Address); ok {
		return to
	}
	return r.token("host", s)
}

func mapAddress(s string, to func(netip.Addr) netip.Addr) (string, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return to(a).String(), true
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return netip.PrefixFrom(to(p.Masked().Addr()), p.Bits()).Masked().String(), true
	}
	if e, err := netip.ParseAddrPort(s); err == nil {
		return netip.AddrPortFrom(to(e.Addr()), e.Port()).String(), true
	}
	return s, false
}
