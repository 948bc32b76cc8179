package main

import (
	"fmt"
	"reflect"
	"slices"

	"pcapaudit/classify"
)

// maxHeldTold bounds the earlier packs and sites of a live audit that verify names.
const maxHeldTold = 20

// isLive is true for an audit of interfaces, or one that has such a part: its packets passed, and cannot be read again.
func isLive(a *classify.Audit) bool {
	return slices.ContainsFunc(a.Inputs, func(in classify.Input) bool { return in.Format == classify.LiveFormat })
}

// watched says what of an interface cannot be checked.
func (v *verification) watched(in *classify.Input) {
	text := fmt.Sprintf("%s, watched live: nobody kept its %d packets, so they have no hash", in.Name, in.Packets)
	if in.First != "" {
		text += "; they passed from " + in.First + " to " + in.Last
	}
	v.note("interface", text)
}

// heldBefore looks for packs and sites that held earlier than those that the audit names: their files have changed since, so only given ones can be the same.
func (v *verification) heldBefore() {
	a, told := v.audit, map[string]bool{}
	for _, p := range a.Packs {
		told[p.SHA256] = true
	}
	if s := a.Site; s != nil {
		told[s.SHA256] = true
		for _, n := range s.Inventories {
			told[n.SHA256] = true
		}
	}
	known, more := len(told), 0
	look := func(what, name, sum, until string) {
		if told[sum] || sum == "" {
			return
		}
		told[sum] = true
		i := slices.IndexFunc(v.given, func(g givenFile) bool { return g.sum == sum })
		switch {
		case i >= 0:
			v.given[i].used = true
			v.note(what, fmt.Sprintf("%s, in force until %s, holds, as %s", name, until, v.given[i].path))
		case len(told) > known+maxHeldTold:
			more++
		default:
			v.note(what, fmt.Sprintf("%s, in force until %s, was not checked: give the file of then, sha256 %s", name, until, sum))
		}
	}
	for _, held := range a.Rules {
		for _, p := range held.Packs {
			look("pack", p.Name, p.SHA256, held.Until)
		}
		if s := held.Site; s != nil {
			look("site", s.File, s.SHA256, held.Until)
			for _, n := range s.Inventories {
				look("inventory", n.File, n.SHA256, held.Until)
			}
		}
	}
	if more > 0 {
		v.note("", fmt.Sprintf("and %d more packs and sites that were in force earlier", more))
	}
}

// consistent checks what can be checked of an audit that nothing can be held against: that it does not contradict itself.
func (v *verification) consistent() {
	switch list := v.written.Contradictions(); {
	case !sameTool(v.audit.Tool, thisTool):
		v.note("ledgers", "were not checked: another version wrote them")
	case len(list) > 0:
		v.fail("ledgers", "the audit contradicts itself: "+differ(len(list)))
		for _, text := range list {
			v.note("", text)
		}
	default:
		v.note("ledgers", "balance, and the result follows from the facts that the audit states")
	}
}

// sameTool leaves out what the tool was kept from: that is of the process.
func sameTool(a, b classify.Tool) bool {
	a.Sandbox, b.Sandbox = "", ""
	return reflect.DeepEqual(a, b)
}
