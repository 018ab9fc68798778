//! The code and the output that a chapter of the book shows, by the words behind the three backticks.

/// A chapter's blocks, in order.
#[derive(Debug)]
pub(crate) struct Chapter(Vec<Block>);

#[derive(Debug)]
struct Block {
    kind: String,
    text: String,
}

impl Chapter {
    pub(crate) fn read(markdown: &str) -> Self {
        let mut blocks: Vec<Block> = Vec::new();
        let mut inside = false;
        for line in markdown.lines() {
            match line.strip_prefix("```") {
                Some(kind) if !inside => {
                    inside = true;
                    blocks.push(Block { kind: kind.to_owned(), text: String::new() });
                }
                Some(_) => inside = false,
                None if inside => {
                    let block = blocks.last_mut().expect("a block has begun");
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                None => {}
            }
        }
        assert!(!inside, "the last block has no end");
        Self(blocks)
    }

    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |block| block.kind == kind).map(|block| block.text.as_str())
    }

    /// All blocks of a kind as one file, with empty lines between them.
    pub(crate) fn all(&self, kind: &str) -> String {
        let all: Vec<&str> = self.of(kind).collect();
        assert!(!all.is_empty(), "the chapter should have a block `{kind}`");
        all.join("\n")
    }

    /// The only block of a kind, without its last line end.
    pub(crate) fn one<'a>(&'a self, kind: &'a str) -> &'a str {
        let all: Vec<&str> = self.of(kind).collect();
        assert_eq!(all.len(), 1, "blocks `{kind}` of the chapter");
        all[0].trim_end()
    }

    /// As [`Chapter::all`], with the block of kind `KIND,mistake` in the place of the one that begins with the same three lines.
    pub(crate) fn with_mistake(&self, kind: &str) -> String {
        let kind_of_mistake = format!("{kind},mistake");
        let mistake = self.one(&kind_of_mistake);
        let beginning: String = mistake.split_inclusive('\n').take(3).collect();
        let (good, mistake) = (self.of(kind).find(|text| text.starts_with(&beginning)), format!("{mistake}\n"));
        let good = good.unwrap_or_else(|| panic!("a block `{kind}` should begin with\n{beginning}"));
        assert_ne!(good, mistake, "the mistake should be another one than the block that it replaces");
        self.all(kind).replace(good, &mistake)
    }

    /// Every block of this kind must stand in what was printed. A line `...` stands for any lines.
    pub(crate) fn assert_shown(&self, kind: &str, printed: &str) {
        let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n";
        let output = trimmed(printed);
        assert!(self.of(kind).count() > 0, "the chapter should have a block `{kind}`");
        for block in self.of(kind) {
            let mut rest = output.as_str();
            for part in trimmed(block).split("...\n") {
                let Some((_, after)) = rest.split_once(part) else {
                    panic!("the chapter shows\n\n{part}\nbut this was printed:\n\n{output}");
                };
                rest = after;
            }
        }
    }
}
