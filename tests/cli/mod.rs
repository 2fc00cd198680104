//! The contract of the command line: exit codes, the content of stdout and stderr, and error messages.

mod activation;
mod bad_input;
mod copies;
mod docs;
mod foreign_text;
mod interrupt;
mod json;
mod lifecycle;
mod limits;
mod moved;
mod panel;
mod policy;
mod shell;
mod versions;
mod what_if;

/// Rows that one feature separates, so training takes milliseconds.
pub fn training_csv() -> String {
    let mut csv = String::from("size,weekday,label\n");
    for i in 0..100 {
        let size = i * 37 % 100;
        csv += &format!("{size},{},{}\n", i % 7, u8::from(size >= 50));
    }
    csv
}

/// The arguments that train and log a small model.
pub const LOG: [&str; 7] =
    ["log-candidate", "--train", "train.csv", "--label", "label", "--param", "n_estimators=3"];
