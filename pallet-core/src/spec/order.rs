//! The order of steps and of phases: as they stand, except where something else is said.

/// What `before` and `after` say of one step, as positions of other steps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    /// Steps that this one has to come before.
    pub before: Vec<usize>,
    /// Steps that this one has to come after.
    pub after: Vec<usize>,
}

/// Wishes that cannot all be fulfilled: each has to come before the next, and the last before the
/// first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cycle(pub Vec<usize>);

/// Orders steps so that all wishes are fulfilled. A step that wishes for nothing keeps its place
/// among its like; one that does is moved no further than needed: right before, or right behind,
/// what it names.
///
/// # Errors
/// [`Cycle`] when the wishes contradict each other.
pub(crate) fn order(wishes: &[Wishes]) -> Result<Vec<usize>, Cycle> {
    let count = wishes.len();
    let mut earlier: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (step, wish) in wishes.iter().enumerate() {
        if let Some(own) = earlier.get_mut(step) {
            own.extend(wish.after.iter().filter(|other| **other < count));
        }
        for other in &wish.before {
            if let Some(theirs) = earlier.get_mut(*other) {
                theirs.push(step);
            }
        }
    }
    if let Some(cycle) = cycle(&earlier) {
        return Err(cycle);
    }
    let places = places(wishes);
    let mut waiting: Vec<usize> = earlier.iter().map(Vec::len).collect();
    let mut later: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (step, earlier) in earlier.iter().enumerate() {
        for other in earlier {
            if let Some(theirs) = later.get_mut(*other) {
                theirs.push(step);
            }
        }
    }
    let place = |step: usize| (places.get(step).copied().unwrap_or_default(), step);
    let mut ready: std::collections::BTreeSet<_> =
        (0..count).filter(|step| waiting.get(*step) == Some(&0)).map(place).collect();
    let mut ordered = Vec::with_capacity(count);
    while let Some((_, step)) = ready.pop_first() {
        ordered.push(step);
        for next in later.get(step).into_iter().flatten() {
            if let Some(left) = waiting.get_mut(*next) {
                *left -= 1;
                if *left == 0 {
                    ready.insert(place(*next));
                }
            }
        }
    }
    Ok(ordered)
}

/// Where each step would like to stand: beside what it names, else where it was declared.
fn places(wishes: &[Wishes]) -> Vec<(usize, i8)> {
    let mut places: Vec<Option<(usize, i8)>> = vec![None; wishes.len()];
    for start in 0..wishes.len() {
        // What a step names is placed first; a stack of our own, since chains may be long.
        let mut open = vec![start];
        while let Some(step) = open.last().copied() {
            let Some(wish) = wishes.get(step).filter(|_| places.get(step) == Some(&None)) else {
                open.pop();
                continue;
            };
            let named = wish.before.iter().chain(&wish.after);
            let unplaced: Vec<usize> =
                named.copied().filter(|other| places.get(*other) == Some(&None)).collect();
            // `before` and `after` lead both ways, so that a step can be met again here without
            // there being a cycle; it is placed by the rest then.
            let unplaced: Vec<usize> =
                unplaced.into_iter().filter(|other| !open.contains(other)).collect();
            if !unplaced.is_empty() {
                open.extend(unplaced);
                continue;
            }
            let place_of = |other: &usize| places.get(*other).copied().flatten();
            let first = wish.before.iter().filter_map(place_of).min();
            let last = wish.after.iter().filter_map(place_of).max();
            let place = match (first, last) {
                (Some((position, _)), _) => (position, -1),
                (None, Some((position, _))) if position >= step => (position, 1),
                _ => (step, 0),
            };
            if let Some(slot) = places.get_mut(step) {
                *slot = Some(place);
            }
            open.pop();
        }
    }
    places.into_iter().enumerate().map(|(step, place)| place.unwrap_or((step, 0))).collect()
}

/// Finds a cycle among what has to come earlier, in the order of time.
fn cycle(earlier: &[Vec<usize>]) -> Option<Cycle> {
    let mut done = vec![false; earlier.len()];
    for start in 0..earlier.len() {
        let mut open: Vec<(usize, std::slice::Iter<'_, usize>)> = Vec::new();
        if done.get(start) == Some(&false) {
            open.push((start, earlier.get(start)?.iter()));
        }
        while let Some((step, rest)) = open.last_mut() {
            let step = *step;
            let Some(next) = rest.next() else {
                if let Some(slot) = done.get_mut(step) {
                    *slot = true;
                }
                open.pop();
                continue;
            };
            if let Some(at) = open.iter().position(|(other, _)| other == next) {
                let mut cycle: Vec<usize> = open.iter().skip(at).map(|(step, _)| *step).collect();
                cycle.reverse();
                return Some(Cycle(cycle));
            }
            if done.get(*next) == Some(&false) {
                open.push((*next, earlier.get(*next)?.iter()));
            }
        }
    }
    None
}

/// Merges lists into one that keeps the order of each.
///
/// # Errors
/// Names that contradict each other, each said to come before the next, and the last before the
/// first.
pub(crate) fn merge_orders<'a>(
    lists: impl IntoIterator<Item = &'a [String]>,
) -> Result<Vec<String>, Vec<String>> {
    let mut names: Vec<&String> = Vec::new();
    let mut wishes: Vec<Wishes> = Vec::new();
    for list in lists {
        let mut last = None;
        for name in list {
            let position = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                wishes.push(Wishes::default());
                names.len() - 1
            });
            if let (Some(last), Some(wish)) = (last, wishes.get_mut(position)) {
                wish.after.push(last);
            }
            last = Some(position);
        }
    }
    let name = |position: &usize| names.get(*position).map(|name| (*name).clone());
    match order(&wishes) {
        Ok(order) => Ok(order.iter().filter_map(name).collect()),
        Err(Cycle(cycle)) => Err(cycle.iter().filter_map(name).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps as `name`, `name<other` (before), `name>other` (after).
    fn ordered(steps: &str) -> Result<String, String> {
        let words: Vec<&str> = steps.split_whitespace().collect();
        let name = |word: &str| word.split(['<', '>']).next().unwrap_or_default().to_owned();
        let names: Vec<String> = words.iter().map(|word| name(word)).collect();
        let wishes: Vec<Wishes> = words
            .iter()
            .map(|word| {
                let mut wish = Wishes::default();
                for (at, sign) in word.match_indices(['<', '>']) {
                    let other = name(&word[at + 1..]);
                    let position = names.iter().position(|known| *known == other).unwrap();
                    if sign == "<" { &mut wish.before } else { &mut wish.after }.push(position);
                }
                wish
            })
            .collect();
        let join = |steps: &[usize]| -> String {
            steps.iter().map(|step| names[*step].as_str()).collect::<Vec<_>>().join(" ")
        };
        order(&wishes).map(|steps| join(&steps)).map_err(|Cycle(steps)| join(&steps))
    }

    #[test]
    fn declared_order_stays_where_nothing_else_is_said() {
        for (steps, expected) in [
            ("", ""),
            ("a b c", "a b c"),
            ("a b c d<b", "a d b c"),
            ("a>c b c d", "b c a d"),
            ("a b>a c", "a b c"),
            ("a b c<b d<b", "a c d b"),
            ("a b c<b d<c", "a d c b"),
            ("a b<a>c c d", "c b a d"),
            ("x>c y>c a b c d", "a b c x y d"),
            ("a b c d e<a>d", "b c d e a"),
        ] {
            assert_eq!(ordered(steps).as_deref(), Ok(expected), "{steps}");
        }
    }

    #[test]
    fn contradictions_are_told_in_the_order_of_time() {
        assert_eq!(ordered("a<a"), Err("a".to_owned()));
        assert_eq!(ordered("a>b b>a"), Err("b a".to_owned()));
        assert_eq!(ordered("z a<b b<c c<a"), Err("b c a".to_owned()));
    }

    #[test]
    fn long_chains_take_no_time_and_no_stack() {
        let chain = |count: usize| -> Vec<Wishes> {
            (0..count)
                .map(|step| Wishes { after: vec![(step + 1) % count], before: Vec::new() })
                .collect()
        };
        let mut open = chain(3_000);
        open.last_mut().unwrap().after.clear();
        assert_eq!(order(&open).unwrap(), (0..3_000).rev().collect::<Vec<_>>());
        assert_eq!(order(&chain(3_000)).unwrap_err().0.len(), 3_000);
    }

    #[test]
    fn orders_of_phases() {
        let list =
            |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        let merged = |lists: &[&str]| {
            let lists: Vec<Vec<String>> = lists.iter().map(|text| list(text)).collect();
            merge_orders(lists.iter().map(Vec::as_slice))
        };
        assert_eq!(merged(&["install configure"]), Ok(list("install configure")));
        assert_eq!(merged(&["a b", "b c", "a c"]), Ok(list("a b c")));
        assert_eq!(merged(&["b", "a b"]), Ok(list("a b")));
        assert_eq!(merged(&["a b", "b a"]), Err(list("b a")));
    }
}
