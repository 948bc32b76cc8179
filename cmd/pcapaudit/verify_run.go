package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/capture/sandbox"
	"pcapaudit/classify"
	"pcapaudit/reports"
	"pcapaudit/rules"
)

// located are the files that an audit rests on, where they lie now.
type located struct {
	captures              []string          // in the order of Audit.Inputs
	packs                 map[string]string // by name in the audit; not the embedded ones
	site                  string
	inventories           map[string]string // by name in the audit
	annotations, baseline string
}

// sources looks for everything that the audit rests on.
func (v *verification) sources() located {
	a, at := v.audit, located{packs: map[string]string{}, inventories: map[string]string{}}
	for i := range a.Inputs {
		in := &a.Inputs[i]
		if in.Format == classify.LiveFormat {
			v.watched(in)
			continue
		}
		if in.SHA256 == "" {
			v.fail("capture", in.Name+" was not hashed (--hash none): nothing tells whether it is the same")
			continue
		}
		at.captures = append(at.captures, v.locate("capture", in.Name, in.SHA256))
	}
	for _, p := range a.Packs {
		switch {
		case inSite(a, p):
		case p.File != "":
			at.packs[p.Name] = v.locate("pack", p.File, p.SHA256)
		default:
			v.embedded(p)
		}
	}
	if s := a.Site; s != nil {
		at.site = v.locate("site", s.File, s.SHA256)
		for _, n := range s.Inventories {
			at.inventories[n.File] = v.locate("inventory", n.File, n.SHA256)
		}
	}
	v.heldBefore()
	if n := a.Annotations; n != nil {
		at.annotations = v.locate("annotations", n.File, n.SHA256)
	}
	if c := a.Compared; c != nil {
		at.baseline = v.locate("baseline", c.File, c.SHA256)
	}
	return at
}

// inSite is true for the pack that the site's own flows form.
func inSite(a *classify.Audit, p classify.PackRef) bool {
	return a.Site != nil && p.Kind == string(rules.Local) && p.SHA256 == a.Site.SHA256
}

func (v *verification) embedded(ref classify.PackRef) {
	p, _ := rules.LoadPack(ref.Name)
	switch {
	case p == nil || p.File != "":
		v.fail("pack", ref.Name+" is not embedded in this version")
	case p.SHA256 != ref.SHA256:
		v.fail("pack", fmt.Sprintf("%s, embedded, differs: sha256 %s, the audit has %s", ref.Name, p.SHA256, ref.SHA256))
	default:
		v.note("pack", ref.Name+", embedded, holds")
	}
}

// rerun makes the audit again from the same files under their names of then, and holds the bytes against each other.
func (v *verification) rerun(ctx context.Context, at located) error {
	a := v.audit
	set, warnings, err := v.ruleSet(at)
	if err != nil {
		v.fail("run", err.Error())
		return nil
	}
	config, err := captureConfig(a.Invocation)
	if err != nil {
		return err
	}
	config.Inputs, config.Stdin = nil, nil
	names := map[string]string{}
	for i, path := range at.captures {
		if a.Inputs[i].Name == "-" {
			f, err := os.Open(path)
			if err != nil {
				return exitError{exitInput, fmt.Errorf("reading %s: %w", path, bare(err))}
			}
			defer f.Close()
			config.Inputs, config.Stdin = append(config.Inputs, "-"), f
			continue
		}
		config.Inputs = append(config.Inputs, path)
		names[path] = a.Inputs[i].Name
	}
	if config.MaxConnections < 1 || config.MaxConnections > flow.DefaultMaxConnections<<6 {
		v.fail("run", fmt.Sprintf("cannot be made again: the audit says --max-connections %d", config.MaxConnections))
		return nil
	}
	options := classify.Options{Tool: thisTool, Invocation: a.Invocation, Warnings: warnings, Filter: config.Filter}
	if _, err := v.u.confine(v.sandbox, sandbox.Plan{Read: slices.Concat(at.captures, []string{at.annotations, at.baseline})}); err != nil {
		return err
	}
	again, result, err := v.u.judge(ctx, config, set, options, func(path string) string { return names[path] })
	if err != nil {
		return err
	}
	if result.Interrupted {
		v.lack("run", "was interrupted")
		return nil
	}
	again.Warnings = append(again.Warnings, passedOverOf(a)...)
	if err := v.mark(again, at); err != nil {
		v.fail("run", err.Error())
		return nil
	}
	if again, err = v.hidden.audit(again); err != nil {
		return err
	}
	if err := v.evidenceAgain(ctx, again, config, result.Inputs, at.captures); err != nil {
		v.fail("run", err.Error())
		return nil
	}
	return v.compare(again)
}

// passedOverOf are the warnings about files beside the captures, which a run from the captures alone does not meet.
func passedOverOf(a *classify.Audit) []string {
	return slices.DeleteFunc(slices.Clone(a.Warnings), func(w string) bool { return !strings.HasPrefix(w, passedOver) })
}

// ruleSet loads packs and site from where they lie now, under the names they had.
func (v *verification) ruleSet(at located) (*rules.Set, []string, error) {
	var warnings []string
	var packs []*rules.Pack
	load := func(name string, problems []rules.Problem) error {
		if rules.Failed(problems) {
			return fmt.Errorf("%s: %s", name, problems[0])
		}
		warnings = append(warnings, warningTexts(problems)...)
		return nil
	}
	var site *rules.Site
	if s := v.audit.Site; s != nil {
		data, err := readSmall(at.site, rules.MaxFile)
		if err != nil {
			return nil, nil, err
		}
		loaded, problems := rules.LoadSiteWith(s.File, data, func(path string) ([]byte, error) { return readSmall(at.inventories[path], rules.MaxInventory) })
		if err := load(s.File, problems); err != nil {
			return nil, nil, err
		}
		site = loaded
	}
	for _, ref := range v.audit.Packs {
		path, own := at.packs[ref.Name]
		if inSite(v.audit, ref) {
			continue
		}
		if !own {
			p, _ := rules.LoadPack(ref.Name)
			packs = append(packs, p)
			continue
		}
		data, err := readSmall(path, rules.MaxFile)
		if err != nil {
			return nil, nil, err
		}
		p, problems := rules.LoadPackBytes(ref.File, data)
		if err := load(ref.File, problems); err != nil {
			return nil, nil, err
		}
		packs = append(packs, p)
	}
	set, problems := rules.Compile(packs, site)
	return set, append(warnings, warningTexts(problems)...), load("packs and site", slices.DeleteFunc(problems, func(p rules.Problem) bool { return p.Severity == rules.Warning }))
}

// mark adds what the audit says beside its own judgement: baseline and annotations.
func (v *verification) mark(again *classify.Audit, at located) error {
	if n := v.audit.Annotations; n != nil {
		data, err := readSmall(at.annotations, rules.MaxFile)
		if err != nil {
			return err
		}
		list, problems := rules.LoadAnnotationsBytes(n.File, data)
		if list == nil {
			return fmt.Errorf("%s: %s", n.File, problems[0])
		}
		again.Annotate(list)
	}
	if c := v.audit.Compared; c != nil {
		old, sum, err := loadAudit(at.baseline)
		if err != nil {
			return err
		}
		return v.hidden.mark(again, old, c.File, sum)
	}
	return nil
}

// compare holds an audit that was made again against the one at hand.
func (v *verification) compare(again *classify.Audit) error {
	var text, old bytes.Buffer
	format, err := reports.ByName("json")
	if err != nil {
		return err
	}
	if err := format.Write(&text, again, reports.Look{}); err != nil {
		return err
	}
	sum := sha256.Sum256(text.Bytes())
	if hex.EncodeToString(sum[:]) == v.sum {
		v.note("run", "made again: the same bytes")
		return nil
	}
	if err := format.Write(&old, v.written, reports.Look{}); err != nil {
		return err
	}
	list, err := jsonDifferences(old.Bytes(), text.Bytes())
	if err != nil {
		return err
	}
	if len(list) == 0 {
		v.fail("run", "made again: the same values, in other bytes: the file was written again since")
		return nil
	}
	v.fail("run", "made again: "+differ(len(list)))
	for i, d := range list {
		if i == maxDifferences {
			v.note("", fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		v.note("", d)
	}
	return nil
}
