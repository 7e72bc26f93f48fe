# Subscribes the deployed functions to their events. azd runs this after each deployment.
# To run it by hand, set the four variables below, which are outputs of infra/main.bicep.
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false # failures of az are handled below

function Stop-Here([string[]] $Lines) {
    [Console]::Error.WriteLine($Lines -join [Environment]::NewLine)
    exit 1
}

foreach ($name in 'SYSTEM_TOPIC_ID', 'FUNCTION_APP_ID', 'OUTCOME_STORAGE_ACCOUNT_ID', 'CHAT_LEVEL') {
    if (-not [Environment]::GetEnvironmentVariable($name)) {
        Stop-Here "$name is not set: it is an output of infra/main.bicep."
    }
}

$parts = $env:SYSTEM_TOPIC_ID -split '/'
$subscription, $group, $topic = $parts[2], $parts[4], $parts[8]

if (-not (Get-Command az -ErrorAction SilentlyContinue)) {
    Stop-Here 'The Azure CLI is needed to subscribe the functions: https://aka.ms/azure-cli'
}
# Unlike az account show, this fails for a login that has expired.
az account get-access-token --subscription $subscription --output none
if ($LASTEXITCODE -ne 0) {
    Stop-Here "The Azure CLI cannot use subscription ${subscription}: run az login, then this again."
}

function Get-Explanation {
    $parts = $env:FUNCTION_APP_ID -split '/'
    $app = '--subscription', $parts[2], '--resource-group', $parts[4], '--name', $parts[8]
    $functions = az functionapp function list @app --query '[].name' --output tsv
    if ($LASTEXITCODE -eq 0 -and -not $functions) {
        'The app shows no functions: its code did not load. This command lists them once it has loaded:'
        "  az functionapp function list $app --output table"
        'This query in Log Analytics shows why:'
        '  union AppExceptions, AppTraces | where TimeGenerated > ago(1h) and SeverityLevel >= 2'
    }
    else {
        'The functions are not subscribed. The answer above says why.'
    }
    'Existing event subscriptions are not changed. Event Grid retries their events for 24 hours and then'
    'writes them to the dead-letter container.'
}

# It takes some time until Event Grid sees a new function or a new role.
for ($attempt = 1; ; $attempt++) {
    $answer = az deployment group create --name event-subscriptions --output none `
        --subscription $subscription --resource-group $group `
        --template-file (Join-Path $PSScriptRoot '../event-subscriptions.bicep') `
        --parameters "systemTopicName=$topic" "functionAppId=$env:FUNCTION_APP_ID" `
        "deadLetterStorageAccountId=$env:OUTCOME_STORAGE_ACCOUNT_ID" "chatLevel=$env:CHAT_LEVEL" 2>&1 | Out-String
    if ($LASTEXITCODE -eq 0) { break }
    if ($attempt -ge 10) {
        Stop-Here (@($answer) + (Get-Explanation))
    }
    $answer
    "The functions could not be subscribed yet. Trying again in 15 s ($attempt of 10)."
    Start-Sleep -Seconds 15
}
"The functions are subscribed to the events of $topic, chat level $env:CHAT_LEVEL."
