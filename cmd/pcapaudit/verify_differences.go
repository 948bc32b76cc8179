package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// maxDifferences is how many differing values verify names.
const maxDifferences = 20

// differ says how many values do.
func differ(n int) string {
	if n == 1 {
		return "1 value differs"
	}
	return fmt.Sprintf("%d values differ", n)
}

// jsonDifferences lists the values in which two JSON texts differ, by their place, in order.
func jsonDifferences(old, now []byte) ([]string, error) {
	var a, b any
	for _, side := range []struct {
		text []byte
		into *any
	}{{old, &a}, {now, &b}} {
		d := json.NewDecoder(bytes.NewReader(side.text))
		d.UseNumber()
		if err := d.Decode(side.into); err != nil {
			return nil, err
		}
	}
	return differing(nil, "", a, b), nil
}

// differing adds the places at which a and b differ.
func differing(list []string, at string, a, b any) []string {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			return differingMembers(list, at, ".%s", x, y)
		}
	case []any:
		y, ok := b.([]any)
		if !ok {
			break
		}
		if len(x) == len(y) {
			for i := range x {
				list = differing(list, fmt.Sprintf("%s[%d]", at, i), x[i], y[i])
			}
			return list
		}
		if key := keyOf(x, y); key != "" {
			return differingMembers(list, at, "["+key+" %s]", byKey(x, key), byKey(y, key))
		}
	}
	if !reflect.DeepEqual(a, b) {
		list = append(list, fmt.Sprintf("%s: the audit has %s, the run gives %s", at, brief(a), brief(b)))
	}
	return list
}

func differingMembers(list []string, at, place string, x, y map[string]any) []string {
	keys := map[string]bool{}
	for _, side := range [...]map[string]any{x, y} {
		for k := range side {
			keys[k] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		list = differing(list, strings.TrimPrefix(at+fmt.Sprintf(place, k), "."), x[k], y[k])
	}
	return list
}

// keyOf is what tells the objects of both lists apart, so that one more in the middle is named and does not shift the others; "" if nothing does.
func keyOf(lists ...[]any) string {
	for _, key := range []string{"id", "flow", "name", "host"} {
		if !slices.ContainsFunc(lists, func(list []any) bool { return len(byKey(list, key)) != len(list) }) {
			return key
		}
	}
	return ""
}

// byKey are the objects of a list by a text in them; those that have none, or the same as another, are left out.
func byKey(list []any, key string) map[string]any {
	found := map[string]any{}
	for _, v := range list {
		if o, ok := v.(map[string]any); ok {
			if text, ok := o[key].(string); ok {
				found[text] = o
			}
		}
	}
	return found
}

// brief shows a value of JSON in a few words.
func brief(v any) string {
	switch x := v.(type) {
	case nil:
		return "nothing"
	case []any:
		return fmt.Sprintf("a list of %d", len(x))
	case map[string]any:
		if text, ok := x["summary"].(string); ok {
			return brief(text)
		}
		return fmt.Sprintf("an object of %d", len(x))
	}
	text := fmt.Sprintf("%#v", v)
	if s, ok := v.(json.Number); ok {
		text = s.String()
	}
	if len(text) > 80 {
		text = text[:77] + "..."
	}
	return text
}
