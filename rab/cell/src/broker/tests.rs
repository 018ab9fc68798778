use std::string::ToString;
